import TransactionEngine

/// Everything that is prepared on a participant's server: what it locks, and whom it blocks.
struct PreparedTable {
    let reading: PreparedReading?
    let moment: Moment

    @HTMLBuilder var html: HTML {
        switch reading?.answer {
        case nil: Parts.unanswered
        case .failure(let failure):
            Parts.unknown(failure.reason)
        case .success(let report):
            if report.entries.isEmpty {
                Parts.empty("Nothing is prepared on this server.")
            } else {
                list(report, readAt: reading?.at ?? report.observedAt)
            }
        }
        if let reading, reading.found != nil {
            reading.source("pg_prepared_xacts and pg_locks", moment)
        }
    }

    private func list(_ report: PreparedReport, readAt: Timestamp) -> HTML {
        Parts.scrolling("Prepared transactions") {
            table(.class("rows")) {
                caption {
                    count(report.count, "prepared transaction", "prepared transactions")
                    if report.count > report.entries.count {
                        ", of which these \(report.entries.count) have the oldest ids"
                    }
                    ". VACUUM removes no row version that was deleted after the oldest began"
                    if let oldest = report.oldest {
                        ", \(count(oldest.transactionIDAge, "transaction id", "transaction ids")) ago"
                    }
                    "."
                }
                Parts.columns("Name (gid)", "Whose", "Age", "Locks", "Blocks", "What can be done")
                tbody { for entry in report.entries { row(entry, readAt: readAt) } }
            }
        }
    }

    private func row(_ entry: PreparedReport.Entry, readAt: Timestamp) -> HTML {
        let found = entry.found
        return tr {
            th(.rowHeader) {
                if let transaction = entry.transaction {
                    Parts.link(transaction)
                    if let branch = entry.branch { " branch \(branch)" }
                }
                div(.class("gid")) { code { found.gid } }
                small { "role \(found.role), database \(found.database)" }
            }
            td { pill(entry.kind) }
            td { moment.age(readAt - Int64(found.ageSeconds * 1_000_000)) }
            td {
                ul(.class("plain")) {
                    for lock in found.locks.prefix(5) {
                        li { lock.mode + " on " + (lock.relation ?? lock.type) }
                    }
                    if found.lockCount > min(found.locks.count, 5) {
                        li { "\(found.lockCount - min(found.locks.count, 5)) more" }
                    }
                }
            }
            td {
                if found.blockedCount == 0 { "nobody" }
                ul(.class("plain")) {
                    for session in found.blocked.prefix(5) {
                        li {
                            session.inWords
                            if let since = session.waitingSince {
                                " for "
                                moment.age(since)
                            }
                        }
                    }
                    if found.blockedCount > min(found.blocked.count, 5) {
                        li { "\(found.blockedCount - min(found.blocked.count, 5)) more" }
                    }
                }
            }
            td(.class("prose")) { entry.remedy }
        }
    }

    private func pill(_ kind: PreparedReport.Kind) -> HTML {
        switch kind {
        case .own: Tone.busy.pill("own")
        case .orphan: Tone.bad.pill("orphan")
        case .otherInstallation: Tone.calm.pill("another installation")
        case .foreign: Tone.calm.pill("foreign")
        }
    }
}

extension ParticipantReading {
    /// Where it comes from, and how old it is.
    func source(_ views: String, _ moment: Moment) -> HTML {
        p(.class("source")) {
            "Read from the server's \(views) "
            moment.relative(at)
            "; it took \(TimeText.span(microseconds: duration))."
        }
    }
}

extension PreparedInventory.BlockedSession {
    fileprivate var inWords: String {
        var words = "process \(processID)"
        if let role { words += " of role \(role)" }
        if let applicationName, !applicationName.isEmpty { words += " (\(applicationName))" }
        return words
    }
}
