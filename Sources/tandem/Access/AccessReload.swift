import AccessControl
import EventLoop
import FoundationEssentials
import TransactionEngine

/// Keeps the gate as the access file says, while the replica runs.
///
/// A file that has a fault, or is gone, changes nothing: the one before it stays in effect. A mistake in
/// it must neither lock everybody out nor let anybody in.
@LoopActor
final class AccessReload {
    private let path: String
    private let gate: AccessGate
    private let audit: AuditLog
    /// What was read last, so that a file that stays the same is taken once; nil if it could not be read.
    private var contents: Data?
    /// Whether it was read here yet.
    ///
    /// The table of the start may be older than the file: the start may have waited for a database for long.
    private var hasRead = false
    private var isReading = false
    /// Whether the file is to be read again, since it may have changed while it was read.
    private var isDue = false

    init(path: String, gate: AccessGate, audit: AuditLog) {
        self.path = path
        self.gate = gate
        self.audit = audit
    }

    /// Reads the file whenever it has changed, until the task is cancelled.
    func watch(every interval: Duration, clock: any EngineClock) async {
        while !Task.isCancelled {
            await clock.pause(interval)
            await read(isAsked: false)
        }
    }

    /// Reads the file now, and says so, even if it has not changed.
    func readNow() async { await read(isAsked: true) }

    private func read(isAsked: Bool) async {
        guard !isReading else { return isDue = isDue || isAsked }
        isReading = true
        defer { isReading = false }
        var isAsked = isAsked
        repeat {
            isDue = false
            let found = await BlockingCall.run { [path] in
                FileManager.default.contents(atPath: path)
            }
            if isAsked || !hasRead || found != contents { take(found) }
            isAsked = isDue
        } while isDue
    }

    private func take(_ found: Data?) {
        hasRead = true
        contents = found
        do throws(ConfigurationFaults) {
            let table = try AccessFile.table(of: found, path: path)
            gate.replace(with: table)
            audit.took(accessFile: path, tokenCount: table.count)
        } catch {
            audit.refused(accessFile: path, error)
        }
    }
}
