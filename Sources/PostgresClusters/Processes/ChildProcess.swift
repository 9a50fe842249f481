public import Glibc

/// A running child of this process, or one that has ended and whose status is known.
///
/// Its pid is safe to signal for as long as this object lives: the child is not reaped before, so the
/// system cannot give the number to another process. The last reference reaps it.
public final class ChildProcess: Sendable {
    /// How a process ended.
    public enum ExitStatus: Sendable, Hashable {
        /// It returned this status.
        case exited(Int32)
        /// This signal ended it.
        case signalled(Int32)
    }

    /// The child's process id.
    public let processID: pid_t
    private let ending: Task<ExitStatus, Never>

    private init(processID: pid_t, ending: Task<ExitStatus, Never>) {
        self.processID = processID
        self.ending = ending
    }

    deinit {
        // The waiting thread holds a reference until the child has ended: this never blocks.
        var status: Int32 = 0
        _ = unsafe waitpid(processID, &status, 0)
    }

    /// Starts `command`; throws `SystemError` when it cannot be started.
    public static func start(_ command: Command) async throws -> ChildProcess {
        let (statuses, report) = AsyncStream.makeStream(of: ExitStatus.self)
        let ending = Task {
            for await status in statuses { return status }
            return ExitStatus.exited(0)
        }
        return try await withCheckedThrowingContinuation { continuation in
            do {
                // The kernel ends a child with its parent *thread* (PR_SET_PDEATHSIG). The pools' threads
                // retire when idle, and would take a server down with them: so the thread
                // that starts the child is one that stays until the child has ended.
                try startThread {
                    do {
                        let child = ChildProcess(processID: try spawn(command), ending: ending)
                        continuation.resume(returning: child)
                        report.yield(child.waitWithoutReaping())
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

    /// Waits for the child to end, and says how; any number of callers may wait.
    public func exitStatus() async -> ExitStatus {
        await ending.value
    }

    /// Sends `signal`; without effect on a child that has ended.
    public func send(_ signal: Int32) {
        _ = kill(processID, signal)
    }

    /// Sends SIGSTOP and returns once the child is stopped, or has ended.
    func suspend() {
        send(SIGSTOP)
        // The signal takes hold a moment after `kill` returns; until then the child may still fork.
        var info = unsafe siginfo_t()
        while unsafe waitid(
            P_PID, id_t(processID), &info, WSTOPPED | WEXITED | WNOWAIT) != 0 && errno == EINTR
        {}
    }

    private func waitWithoutReaping() -> ExitStatus {
        var info = unsafe siginfo_t()
        while unsafe waitid(P_PID, id_t(processID), &info, WEXITED | WNOWAIT) != 0
            && errno == EINTR
        {}
        let value = unsafe info._sifields._sigchld.si_status
        return unsafe info.si_code == Int32(CLD_EXITED) ? .exited(value) : .signalled(value)
    }
}
