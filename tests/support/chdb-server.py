"""Just enough of ClickHouse's HTTP interface for the tests, with ClickHouse's real engine behind it (PyPI: chdb-core).

usage: chdb-server.py FOLDER USER PASSWORD. Prints its port, and ends when its standard input does.
Statements run one at a time; rows that come with an INSERT go through a file, since the engine takes statements as text.
"""

import os
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb import session

FOLDER, USER, PASSWORD = sys.argv[1:4]
OURS = {"query", "database", "wait_end_of_query"}
INSERT = re.compile(r"^(INSERT INTO \w+ \([^)]*\)) (FORMAT \w+)$")
engine = session.Session(os.path.join(FOLDER, "data"))
turn = threading.Lock()


def run(parameters, body, encoding):
    with turn:
        engine.query(f"USE {parameters.get('database', 'default')}")
        if "query" not in parameters:
            values = {name[6:]: value for name, value in parameters.items() if name.startswith("param_")}
            return engine.query(body.decode(), "TabSeparated", params=values or None).bytes()
        head, form = INSERT.match(parameters["query"]).groups()
        settings = ", ".join(f"{name} = '{value}'" for name, value in parameters.items() if name not in OURS)
        with tempfile.NamedTemporaryFile(dir=FOLDER) as file:
            file.write(body)
            file.flush()
            packed = f" COMPRESSION '{encoding}'" if encoding else ""
            engine.query(f"{head} FROM INFILE '{file.name}'{packed} SETTINGS {settings} {form}")
        return b""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if (self.headers["X-ClickHouse-User"], self.headers["X-ClickHouse-Key"]) != (USER, PASSWORD):
            text = f"Code: 516. DB::Exception: {USER}: Authentication failed (AUTHENTICATION_FAILED)"
            return self.answer(403, text.encode(), "516")
        try:
            self.answer(200, run(parameters, body, self.headers["Content-Encoding"]))
        except Exception as error:
            code = re.search(r"Code: (\d+)", str(error))
            self.answer(500, str(error).encode(), code.group(1) if code else "1002")

    def answer(self, status, body, code=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
os._exit(0)
