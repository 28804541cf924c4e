"""What runs turns in one process: the only place with event loops and threads.

`Runtime` owns the process's `Worker` (executes runs) and `EventBroker` (delivers their events).
`TurnLoop` alternates between the model and the synchronous functions of `domain`.
"""
