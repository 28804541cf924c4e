"""Print the text of a PDF from standard input: `python -m conversations.runtime.pdf_text`.

A process of its own, with limits, because a small PDF can take any amount of time and memory.
"""

import resource
import sys
from io import BytesIO

MAX_MEMORY = 2**30
MAX_SECONDS = 60
MAX_PAGES = 2_000
# Of the text.
MAX_BYTES = 8 * 2**20


def main() -> None:
    """Write the text to standard output; exit with the reason if there is none."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    from pypdf import PdfReader  # noqa: PLC0415 (within the limits)
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    try:
        reader = PdfReader(BytesIO(sys.stdin.buffer.read()))
        if len(reader.pages) > MAX_PAGES:
            sys.exit(f"It has {len(reader.pages)} pages; at most {MAX_PAGES} are read")
        size = 0
        for page in reader.pages:
            text = (page.extract_text() + "\n").encode("utf-8", "replace")
            if (size := size + len(text)) > MAX_BYTES:
                sys.exit(f"It has more than {MAX_BYTES} bytes of text")
            sys.stdout.buffer.write(text)
    except MemoryError:
        sys.exit("Reading it takes too much memory")
    except (PyPdfError, ValueError, KeyError, TypeError, RecursionError) as error:
        sys.exit(f"It can't be read as a PDF: {error}")


if __name__ == "__main__":
    main()
