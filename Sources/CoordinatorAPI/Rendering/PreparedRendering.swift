import CommitProtocol
import TransactionEngine

/// The prepared transactions of a participant's server as JSON, and as lines of text.
enum PreparedRendering {
    static func json(_ report: PreparedReport) -> [UInt8] {
        var writer = JSONWriter(capacity: 512 + 1024 * report.entries.count)
        writer.object { writer in
            writer.time("observedAt", report.observedAt)
            writer.member("count", report.count)
            writer.name("preparedTransactions")
            writer.array(report.entries) { $0.write(to: &$1) }
            writer.name("oldestXmin")
            guard let oldest = report.oldest else { return writer.null() }
            writer.object { writer in
                writer.member("gid", oldest.gid)
                writer.member("xid", "\(oldest.transactionID)")
                writer.member("ageTransactions", oldest.transactionIDAge)
            }
        }
        return writer.bytes
    }

    /// One line each for shells, that with the oldest id first: gid, kind, age in seconds, role,
    /// database, how many locks it holds, and how many sessions it blocks; with tabs, and `-` for a role
    /// that is gone.
    static func lines(_ report: PreparedReport) -> [UInt8] {
        report.entries.flatMap { entry in
            let found = entry.found
            let parts = [
                found.gid, entry.kind.rawValue, "\(Int(max(0, found.ageSeconds)))",
                found.role.isEmpty ? "-" : found.role, found.database, "\(found.lockCount)",
                "\(found.blockedCount)",
            ]
            let line = parts.map(LockWaitRendering.withoutControls).joined(separator: "\t")
            return Array((line + "\n").utf8)
        }
    }
}

extension PreparedReport.Entry {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("gid", found.gid)
            writer.nullable("transaction", transaction?.description)
            writer.nullable("branch", branch)
            writer.member("kind", kind.rawValue)
            writer.nullable("role", found.role.isEmpty ? nil : found.role)
            writer.member("database", found.database)
            writer.time("preparedAt", found.preparedAt)
            writer.member("ageSeconds", Int(max(0, found.ageSeconds)))
            // A string: many JSON readers cannot hold an integer of 64 bits.
            writer.member("xid", "\(found.transactionID)")
            writer.member("lockCount", found.lockCount)
            writer.name("locks")
            writer.array(found.locks) { $0.write(to: &$1) }
            writer.member("blockedCount", found.blockedCount)
            writer.name("blocks")
            writer.array(found.blocked) { $0.write(to: &$1) }
            writer.member("remedy", remedy)
        }
    }
}

extension PreparedInventory.HeldLock {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("type", type)
            writer.nullable("relation", relation)
            writer.member("mode", mode)
            // A prepared transaction waits for nothing.
            writer.member("granted", true)
        }
    }
}

extension PreparedInventory.BlockedSession {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("processId", Int(processID))
            writer.nullable("role", role)
            writer.nullable("applicationName", applicationName)
            writer.time("waitingSince", waitingSince)
        }
    }
}
