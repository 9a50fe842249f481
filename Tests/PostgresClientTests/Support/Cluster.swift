import EventLoop
import Glibc
import PostgresClient

/// A throwaway PostgreSQL cluster on a free loopback port.
///
/// A shell script owns it and reads from a pipe. When the pipe closes, at the latest because the
/// test process has ended in whatever way, the script stops the server and removes the directory.
final class Cluster: Sendable {
    /// The cluster that all tests of a process share.
    static let shared = Task { try await Cluster.start() }

    let port: UInt16
    let directory: String
    private let script: ChildShell

    private init(port: UInt16, directory: String, script: ChildShell) {
        self.port = port
        self.directory = directory
        self.script = script
    }

    static func start() async throws -> Cluster {
        let result = await BlockingCall.run { Result { try startWithRetries() } }
        return try result.get()
    }

    /// Stops the server and returns when it is gone.
    func stop() async {
        await BlockingCall.run { self.script.closeAndWait() }
    }

    func options(_ overrides: [String: String] = [:]) throws -> ConnectionOptions {
        try ConnectionOptions(
            conninfo: "host=127.0.0.1 port=\(port) user=postgres dbname=postgres sslmode=disable",
            overriding: overrides)
    }

    private struct StartFailure: Error {
        var log: String
    }

    /// Starts again on another port if somebody took the free one before the server could.
    private static func startWithRetries() throws -> Cluster {
        for _ in 0..<5 {
            do { return try startBlocking() } catch let failure as StartFailure {
                guard failure.log.contains("Address already in use") else { throw failure }
            }
        }
        return try startBlocking()
    }

    private static func startBlocking() throws -> Cluster {
        let port = try freePort()
        let directory = "/tmp/postgres-client-tests-\(getpid())-\(port)"
        let shell = ["/bin/sh", "-c", Self.text, "cluster", directory, "\(port)"]
        let drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        let script = try ChildShell(geteuid() == 0 ? drop + shell : shell)
        let answer = script.readAnswer()
        guard answer.hasPrefix("ready") else { throw StartFailure(log: answer) }
        return Cluster(port: port, directory: directory, script: script)
    }

    private static func freePort() throws -> UInt16 {
        let listener = try LoopbackListener()
        defer { listener.close() }
        return listener.port
    }

    /// The script; `$1` is the directory and `$2` the port.
    ///
    /// Only "ready" or an error goes to standard output.
    private static let text = """
        set -u
        cd /tmp || exit 1
        bin=${TANDEM_POSTGRES_BIN:-}
        [ -n "$bin" ] || bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
        [ -n "$bin" ] || bin=$(pg_config --bindir)
        mkdir -m 700 "$1" || exit 1
        trap 'rm -rf "$1"' EXIT
        "$bin/initdb" -D "$1/data" -U postgres -A trust -N -E UTF8 --locale=C >"$1/log" 2>&1 \\
            || { cat "$1/log"; exit 1; }
        {
            echo "host all secretive 127.0.0.1/32 scram-sha-256"
            cat "$1/data/pg_hba.conf"
        } >"$1/hba" && mv "$1/hba" "$1/data/pg_hba.conf"
        cat >>"$1/data/postgresql.conf" <<END
        listen_addresses = '127.0.0.1'
        port = $2
        unix_socket_directories = '$1'
        max_prepared_transactions = 20
        max_connections = 300
        fsync = off
        END
        "$bin/pg_ctl" -D "$1/data" -l "$1/log" -w start >/dev/null 2>&1 </dev/null \\
            || { cat "$1/log"; exit 1; }
        echo ready
        cat >/dev/null
        "$bin/pg_ctl" -D "$1/data" -m immediate -w stop >/dev/null 2>&1
        """
}
