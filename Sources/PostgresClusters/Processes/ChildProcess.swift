import EventLoop
package import Glibc

/// A child of this process, running or ended.
///
/// A signal never reaches another process: a lock separates sending from reaping, which frees the pid.
/// When the exit status is known, the child has been reaped.
package final class ChildProcess: Sendable {
    /// How a process ended.
    package enum ExitStatus: Sendable, Hashable {
        /// It returned this status.
        case exited(Int32)
        /// This signal ended it.
        case signalled(Int32)
    }

    /// The child's process id.
    package let processID: pid_t
    private let exit: Task<ExitStatus, Never>
    private let isReaped = Lock(false)

    private init(processID: pid_t, exit: Task<ExitStatus, Never>) {
        self.processID = processID
        self.exit = exit
    }

    /// Starts a command; throws `SystemError` if it cannot be started.
    package static func start(_ command: Command) async throws -> ChildProcess {
        let (statuses, report) = AsyncStream.makeStream(of: ExitStatus.self)
        let exit = Task {
            for await status in statuses { return status }
            return ExitStatus.exited(0)
        }
        return try await withCheckedThrowingContinuation { continuation in
            do {
                // The kernel ends a child with its parent *thread* (PR_SET_PDEATHSIG), and pool
                // threads end when idle. So a new thread starts the child and stays until it ends.
                try startThread {
                    do {
                        let child = ChildProcess(
                            processID: try spawn(command), exit: exit)
                        continuation.resume(returning: child)
                        report.yield(child.waitAndReap())
                        report.finish()
                    } catch {
                        report.finish()
                        continuation.resume(throwing: error)
                    }
                }
            } catch {
                report.finish()
                continuation.resume(throwing: error)
            }
        }
    }

    /// Waits for the child to end; any number of callers may wait.
    package func exitStatus() async -> ExitStatus {
        await exit.value
    }

    /// Sends a signal; has no effect on a child that has ended.
    package func send(_ signal: Int32) {
        isReaped.withLock { if !$0 { _ = kill(processID, signal) } }
    }

    /// Sends SIGSTOP; returns once the child is stopped or has ended.
    func suspend() {
        send(SIGSTOP)
        // The signal takes effect after `kill` returns; until then the child may fork.
        var info = unsafe siginfo_t()
        while unsafe waitid(
            P_PID, id_t(processID), &info, WSTOPPED | WEXITED | WNOWAIT) != 0 && errno == EINTR
        {}
    }

    private func waitAndReap() -> ExitStatus {
        var info = unsafe siginfo_t()
        while unsafe waitid(P_PID, id_t(processID), &info, WEXITED | WNOWAIT) != 0
            && errno == EINTR
        {}
        // The child has ended, so reaping does not block and the lock is held briefly.
        var status: Int32 = 0
        isReaped.withLock {
            _ = unsafe waitpid(processID, &status, 0)
            $0 = true
        }
        let signal = status & 0x7F
        return signal == 0 ? .exited((status >> 8) & 0xFF) : .signalled(signal)
    }
}
