import CommitProtocol
import TransactionEngine

/// Transactions as JSON, and as lines of text.
enum RecordRendering {
    /// One transaction with its results and resolutions, and what its branches wait for now.
    static func json(
        _ record: TransactionRecord, _ live: LiveDetails = LiveDetails()
    ) -> [UInt8] {
        var writer = JSONWriter(
            capacity: 768 + 512 * record.branches.count + (record.results?.count ?? 0))
        write(record, with: live, to: &writer)
        return writer.bytes
    }

    /// A page of transactions, and where the next one starts.
    static func json(_ page: RecordPage) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.name("transactions")
            writer.array(page.records) { write($0, with: nil, to: &$1) }
            writer.nullable("nextCursor", page.next.map { "\($0)" })
        }
        return writer.bytes
    }

    /// One line for shells: id, state, the time of acceptance and the participants, with tabs.
    static func line(_ record: TransactionRecord) -> [UInt8] {
        let parts = [
            record.id.description, record.state.rawValue,
            UTCTime(microseconds: record.acceptedAt).text,
            record.branches.map(\.participant).joined(separator: ","),
        ]
        return Array((parts.joined(separator: "\t") + "\n").utf8)
    }

    /// Writes a transaction; in a list `live` is nil, and results and the like are left out.
    private static func write(
        _ record: TransactionRecord, with live: LiveDetails?, to writer: inout JSONWriter
    ) {
        // One line per branch; see `OutcomeEncoding.json`. A program's transactions have no results.
        var results = (record.results ?? [])[...]
        writer.object { writer in
            writer.member("id", record.id.description)
            writer.member("state", record.state.rawValue)
            writer.nullable("decision", record.decision?.rawValue)
            writer.member("principal", record.principal)
            writer.member("isolation", record.isolation.rawValue)
            writer.name("labels")
            writer.object { writer in
                for label in record.labels {
                    writer.name(escaping: label.name)
                    writer.string(label.value)
                }
            }
            writer.time("acceptedAt", record.acceptedAt)
            writer.time("deadline", record.deadline)
            writer.time("decidedAt", record.decidedAt)
            writer.time("finishedAt", record.finishedAt)
            writer.member("owner", record.owner)
            writer.name("problem")
            if let problem = record.reportedProblem { writer.raw(problem) } else { writer.null() }
            writer.member("resultsOmitted", record.areResultsOmitted)
            writer.member("held", record.isHeld)
            writer.member("attempt", record.attempt)
            writer.nullable("retryOf", record.retryOf?.description)
            writer.nullable("retriedAs", record.retriedAs?.description)
            writer.nullable("traceId", record.traceParent?.traceIDText)
            if live != nil {
                writer.name("resolutions")
                writer.array(record.resolutions) { $0.write(to: &$1) }
            }
            writer.name("branches")
            writer.array(record.branches.enumerated()) { branch, writer in
                writer.object { writer in
                    branch.element.writeMembers(number: branch.offset, to: &writer)
                    guard let live else { return }
                    writer.time("nextAttemptAt", live.nextAttempts[branch.offset])
                    writer.name("waitsFor")
                    if let wait = live.waits.first(where: { $0.waiter.branch == branch.offset }) {
                        wait.writeOfBranch(to: &writer)
                    } else {
                        writer.null()
                    }
                    writer.name("evidence")
                    if let evidence = branch.element.evidence {
                        evidence.write(to: &writer)
                    } else {
                        writer.null()
                    }
                    let line = results.prefix { $0 != UInt8(ascii: "\n") }
                    results = results[line.endIndex...].dropFirst()
                    writer.name("results")
                    if line.isEmpty { writer.raw("[]".utf8) } else { writer.raw(line) }
                }
            }
        }
    }
}

extension TransactionRecord {
    /// The recorded problem, without what is no longer true of it.
    var reportedProblem: [UInt8]? {
        guard let problem else { return nil }
        if needsOperator { return Problem.withoutClaim(problem) }
        return retriedAs.map { Problem.ranAgain(problem, as: $0) } ?? problem
    }
}

extension BranchRecord {
    fileprivate func writeMembers(number: Int, to writer: inout JSONWriter) {
        writer.member("branch", number)
        writer.member("participant", participant)
        writer.member("gid", gid)
        writer.member("commitMode", commitMode.rawValue)
        writer.nullable("vote", vote?.rawValue)
        writer.nullable("outcome", outcome?.rawValue)
        // The attempt that finished a prepared branch counts as well.
        let isFinished = outcome != nil && evidence != nil
        writer.member("finishAttempts", retries + (isFinished ? 1 : 0))
        writer.nullable("lastError", lastError)
    }
}

extension Resolution {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("branch", branch)
            writer.member("outcome", action.rawValue)
            writer.member("actor", actor)
            writer.member("reason", reason)
            writer.member("forced", isForced)
            writer.member("order", isOrder)
            writer.member("previousState", found)
            writer.time("resolvedAt", at)
        }
    }
}

extension PreparedEvidence {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            // A string: many JSON readers cannot hold an integer of 64 bits.
            writer.member("xid", "\(transactionID)")
            writer.member("role", owner)
            writer.member("systemIdentifier", systemIdentifier)
            writer.member("timeline", Int(timeline))
            writer.member("lsn", location)
        }
    }
}

extension JSONWriter {
    /// Writes a member whose value is a time, or `null`.
    mutating func time(_ name: StaticString, _ value: Timestamp?) {
        self.name(name)
        if let value { time(UTCTime(microseconds: value)) } else { null() }
    }
}
