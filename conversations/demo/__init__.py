"""The demo organization: every state that the console can show, built with the domain's verbs."""
