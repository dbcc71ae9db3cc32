"""postgres.py -- a PostgreSQL of one's own for as long as a test runs: temp folder, unix socket, C collation, UTC.

    with Server() as server:            Server.available() says whether there is one to start
        session = server.session()
        session.rows("SELECT 1 AS a")   -> [[("a", 1)]]; numbers come as Number (their text is kept)
        session.do("CREATE TABLE ...")
Errors raise Refused(sqlstate, message).
"""
import glob
import json
import os
import pwd
import shutil
import subprocess
import tempfile
import threading

END = "end-of-answer-5f1c"


class Refused(Exception):
    def __init__(self, state, message):
        super().__init__("%s: %s" % (state, message))
        self.state, self.message = state, message


class Number(str):
    """A number as it was written: 1.50 is not 1.5."""


def read_json(line):
    return json.loads(line, object_pairs_hook=list, parse_float=Number, parse_int=Number)


def folder():
    found = [os.path.dirname(p) for p in sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))]
    near = shutil.which("initdb")
    return found[-1] if found else os.path.dirname(near) if near else None


class Server:
    @staticmethod
    def available():
        return folder() is not None and shutil.which("psql") is not None

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="weir-pg-")
        self.owner = []
        if os.getuid() == 0:  # the server refuses to run as root
            names = [p.pw_name for p in pwd.getpwall()]
            user = "postgres" if "postgres" in names else "nobody"
            shutil.chown(self.dir, user)
            self.owner = ["setpriv", "--reuid=" + user, "--regid=%d" % pwd.getpwnam(user).pw_gid, "--clear-groups"]
        run = dict(check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=self.dir)
        subprocess.run(self.owner + [folder() + "/initdb", "-D", self.dir + "/data", "-A", "trust", "-N", "-U", "weir",
                                     "--locale=C", "--lc-ctype=C.UTF-8", "-E", "UTF8"], **run)
        options = "-k %s -c listen_addresses= -c fsync=off -c timezone=UTC -c jit=off -c max_connections=10" % self.dir
        subprocess.run(self.owner + [folder() + "/pg_ctl", "-D", self.dir + "/data", "-w", "-l", self.dir + "/log",
                                     "-o", options, "start"], **run)
        return self

    def __exit__(self, *error):
        subprocess.run(self.owner + [folder() + "/pg_ctl", "-D", self.dir + "/data", "-m", "immediate", "stop"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=self.dir)
        shutil.rmtree(self.dir, ignore_errors=True)

    def session(self):
        return Session(self.dir)


class Session:
    def __init__(self, socket):
        self.psql = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-h", socket, "-U", "weir", "postgres"],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.do("SET statement_timeout = '120s'")

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()

    def ask(self, sql):
        text = "\\set VERBOSITY verbose\n%s\n;\n\\echo %s\n" % (sql.rstrip().rstrip(";"), END)
        guard = threading.Timer(600, self.psql.kill)  # psql waits for ever for the end of what it takes for a string
        guard.start()
        try:
            return self.read(text)
        finally:
            guard.cancel()

    def read(self, text):
        self.psql.stdin.write(text.encode())
        self.psql.stdin.flush()
        lines = []
        for line in self.psql.stdout:
            line = line.decode().rstrip("\n")
            if line == END:
                break
            lines.append(line)
        else:
            raise Refused("XX000", "psql ended: " + "\n".join(lines[-5:]))
        for line in lines:
            if line.startswith("ERROR:  "):
                state, _, message = line[8:].partition(": ")
                raise Refused(state, message)
        return lines

    def do(self, sql):
        self.ask(sql)

    def rows(self, sql):
        """Each row as [(name, value)], in order; the statement is one SELECT."""
        lines = self.ask("SELECT row_to_json(answer) FROM (\n%s\n) answer" % sql.rstrip().rstrip(";"))
        return [read_json(line) for line in lines if line.startswith("{")]
