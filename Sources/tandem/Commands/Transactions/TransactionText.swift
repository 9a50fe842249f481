import CoordinatorAPI

/// Transactions as people read them, from the JSON of the API.
///
/// It reads only what it shows, so that a replica that says more, or less, can be shown too.
enum TransactionText {
    static func table() -> TextTable {
        TextTable([
            .init("ID"), .init("STATE"), .init("AGE", isNumber: true),
            .init("PARTICIPANTS", narrowest: 12), .init("OWNER", narrowest: 8),
            .init("NOTE", narrowest: 12),
        ])
    }

    static func row(_ transaction: JSONValue, at moment: Moment) -> [TextTable.Cell?] {
        let state = transaction["state"]?.string ?? "?"
        var participants: [String] = []
        for branch in transaction["branches"]?.elements ?? [] {
            guard let name = branch["participant"]?.string, !participants.contains(name)
            else { continue }
            participants.append(name)
        }
        return [
            .init(transaction["id"]?.string ?? "?"), .init(state, Emphasis(state: state)),
            moment.age(of: transaction["acceptedAt"]).map { .init($0.written) },
            .init(participants.joined(separator: ",")),
            transaction["owner"]?.string.map { .init($0) },
            .init(note(of: transaction) ?? ""),
        ]
    }

    /// What matters most about it, in one line.
    static func note(of transaction: JSONValue) -> String? {
        if transaction["held"] == .bool(true) {
            return "held: the state database has changed; resolve it, or run `tandem release`"
        }
        let branches = transaction["branches"]?.elements ?? []
        for branch in branches {
            let outcome = branch["outcome"]?.string
            guard outcome == nil || outcome?.hasPrefix("heuristic") == true else { continue }
            let place = branch["participant"]?.string ?? "?"
            if let outcome { return "\(place): \(outcome)" }
            if let error = branch["lastError"]?.string { return "\(place): \(error)" }
        }
        if let next = transaction["retriedAs"]?.string { return "ran again as \(next)" }
        return transaction["problem"]?["detail"]?.string
    }

    /// Everything about one transaction but its rows.
    static func detail(_ transaction: JSONValue, on screen: Screen) -> [String] {
        let moment = screen.moment
        let state = transaction["state"]?.string ?? "?"
        var facts = FactList(screen)
        facts.add("Transaction", transaction["id"]?.string)
        facts.add("State", state, Emphasis(state: state))
        facts.add("", transaction["description"]?.string ?? meaning(of: transaction))
        facts.add("Advice", transaction["advice"]?.string ?? advice(for: transaction))
        facts.add(
            "Decision",
            time(of: "decidedAt", in: transaction, moment).map {
                "\(transaction["decision"]?.string ?? "none"), \($0)"
            } ?? transaction["decision"]?.string ?? "none")
        facts.add("Accepted", time(of: "acceptedAt", in: transaction, moment))
        let isUndecided = transaction["decision"]?.string == nil
        if isUndecided {
            facts.add(
                "Deadline",
                moment.time(until: transaction["deadline"]).map {
                    "\(clockTime(transaction["deadline"]) ?? ""), in \($0.written)"
                } ?? time(of: "deadline", in: transaction, moment))
        }
        facts.add("Finished", time(of: "finishedAt", in: transaction, moment))
        facts.add("Owner", transaction["owner"]?.string)
        facts.add("Principal", transaction["principal"]?.string)
        facts.add("Isolation", transaction["isolation"]?.string)
        let labels = (transaction["labels"]?.members ?? []).map { member in
            "\(member.name):\(member.value.plain ?? "")"
        }
        facts.add("Labels", labels.isEmpty ? nil : labels.joined(separator: " "))
        facts.add("Run", run(of: transaction))
        facts.add("Trace", transaction["traceId"]?.string)
        if let problem = transaction["problem"]?["detail"]?.string {
            facts.add("Problem", problem)
        }
        return facts.lines + [""] + branches(of: transaction, on: screen)
            + evidence(of: transaction, on: screen) + resolutions(of: transaction, on: screen)
    }

    private static func time(
        of name: String, in transaction: JSONValue, _ moment: Moment
    ) -> String? {
        guard let age = moment.age(of: transaction[name]) else { return nil }
        return "\(clockTime(transaction[name]) ?? ""), \(age.written) ago"
    }

    private static func run(of transaction: JSONValue) -> String? {
        guard let attempt = transaction["attempt"]?.integer else { return nil }
        let before = transaction["retryOf"]?.string
        let after = transaction["retriedAs"]?.string
        guard before != nil || after != nil else { return nil }
        return "\(attempt) of its request" + (before.map { ", after \($0)" } ?? "")
            + (after.map { ", ran again as \($0)" } ?? "")
    }

    private static func meaning(of transaction: JSONValue) -> String? {
        switch transaction["state"]?.string {
        case "preparing": "branches work or are prepared; nothing is decided"
        case "committing": "decided to commit; a branch is not finished yet"
        case "aborting": "decided to abort; a branch is not finished yet"
        case "committed": "every branch is committed"
        case "aborted": "no branch took effect"
        case "needsOperator": "a branch did not end as decided, or nothing proves how it ended"
        default: nil
        }
    }

    private static func advice(for transaction: JSONValue) -> String? {
        let id = transaction["id"]?.string ?? "ID"
        if transaction["held"] == .bool(true) {
            return "check what the databases hold, then tandem transactions resolve \(id) ..., or "
                + "release the quarantine (tandem release --help)"
        }
        switch transaction["state"]?.string {
        case "needsOperator":
            return "check the data of the branch, then tandem transactions resolve \(id) ..."
        case "committing", "aborting":
            return
                "none needed: tandem goes on by itself; tandem transactions retry \(id) tries at once"
        default: return nil
        }
    }

    private static func branches(of transaction: JSONValue, on screen: Screen) -> [String] {
        var table = TextTable([
            .init("BRANCH", isNumber: true), .init("PARTICIPANT"), .init("MODE"), .init("VOTE"),
            .init("OUTCOME"), .init("ATTEMPTS", isNumber: true), .init("NEXT"),
            .init("NOTE", narrowest: 12),
        ])
        for branch in transaction["branches"]?.elements ?? [] {
            let outcome = branch["outcome"]?.string
            let isBad = outcome?.hasPrefix("heuristic") == true
            table.add([
                branch["branch"]?.plain.map { .init($0) },
                branch["participant"]?.string.map { .init($0) },
                branch["commitMode"]?.string.map { .init($0) },
                branch["vote"]?.string.map { .init($0) },
                outcome.map { .init($0, isBad ? .bad : .none) },
                branch["finishAttempts"]?.plain.map { .init($0) },
                nextAttempt(of: branch, screen.moment).map { .init($0) },
                .init(branch["lastError"]?.string ?? wait(of: branch, screen.moment) ?? ""),
            ])
        }
        return screen.lines(of: table)
    }

    private static func nextAttempt(of branch: JSONValue, _ moment: Moment) -> String? {
        guard branch["nextAttemptAt"]?.string != nil else { return nil }
        return moment.time(until: branch["nextAttemptAt"]).map { "in \($0.written)" } ?? "now"
    }

    private static func wait(of branch: JSONValue, _ moment: Moment) -> String? {
        guard let wait = branch["waitsFor"], wait != .null else { return nil }
        return "waits for \(LockText.target(of: wait)) held by "
            + LockText.blockers(of: wait)
            + (moment.age(of: wait["since"]).map { ", for \($0.written)" } ?? "")
    }

    /// How an administrator finds the prepared transactions, and proves what became of them.
    private static func evidence(of transaction: JSONValue, on screen: Screen) -> [String] {
        var table = TextTable([
            .init("BRANCH", isNumber: true), .init("GID"), .init("XID"), .init("ROLE"),
            .init("SERVER"), .init("TIMELINE", isNumber: true),
        ])
        for branch in transaction["branches"]?.elements ?? [] {
            guard let evidence = branch["evidence"], evidence != .null else { continue }
            table.add([
                branch["branch"]?.plain.map { .init($0) }, branch["gid"]?.string.map { .init($0) },
                evidence["xid"]?.plain.map { .init($0) },
                evidence["role"]?.string.map { .init($0) },
                evidence["systemIdentifier"]?.plain.map { .init($0) },
                evidence["timeline"]?.plain.map { .init($0) },
            ])
        }
        // Never cut: these names are copied.
        return table.rows.isEmpty
            ? [] : [""] + table.lines(width: nil, hasColors: screen.hasColors)
    }

    private static func resolutions(of transaction: JSONValue, on screen: Screen) -> [String] {
        let resolutions = transaction["resolutions"]?.elements ?? []
        guard !resolutions.isEmpty else { return [] }
        return ["", "Resolutions, oldest first:"]
            + resolutions.map { resolution in
                let forced = resolution["forced"] == .bool(true) ? ", forced" : ""
                return Terminal.printable(
                    "  branch \(resolution["branch"]?.plain ?? "?"): "
                        + "\(resolution["outcome"]?.string ?? "?") by "
                        + "\(resolution["actor"]?.string ?? "?")\(forced), "
                        + "\(clockTime(resolution["resolvedAt"]) ?? ""); before: "
                        + "\(resolution["previousState"]?.string ?? "?"); reason: "
                        + "\(resolution["reason"]?.string ?? "")")
            }
    }
}

/// Names and values, one a line, the values below each other.
struct FactList {
    private let screen: Screen
    private var facts: [(name: String, value: String)] = []

    init(_ screen: Screen) { self.screen = screen }

    /// Adds a line, unless the value is nil.
    mutating func add(_ name: String, _ value: String?, _ emphasis: Emphasis = .none) {
        guard let value else { return }
        facts.append((name, screen.painted(value, emphasis)))
    }

    var lines: [String] {
        let width = facts.map(\.name.count).max() ?? 0
        return facts.map { fact in
            let padding = String(repeating: " ", count: width - fact.name.count + 2)
            return fact.name + padding + fact.value
        }
    }
}

/// Locks, and the parties that hold them or wait.
enum LockText {
    /// `public.accounts (0,1)`, or what is known of it.
    static func target(of wait: JSONValue) -> String {
        let parts = [wait["relation"]?.string, wait["row"]?.string].compactMap(\.self)
        return parts.isEmpty ? "a lock" : parts.joined(separator: " ")
    }

    static func blockers(of wait: JSONValue) -> String {
        let blockers = wait["blockers"]?.elements ?? []
        let names = blockers.map(party).joined(separator: ", ")
        let more = (wait["blockerCount"]?.integer ?? 0) - blockers.count
        return more > 0 ? "\(names) and \(more) more" : names
    }

    /// A transaction's branch, a prepared transaction, or a process with its role and program.
    static func party(_ party: JSONValue) -> String {
        if let transaction = party["transaction"]?.string {
            return "\(transaction)/\(party["branch"]?.plain ?? "?")"
        }
        if let gid = party["gid"]?.string { return "prepared \(gid)" }
        let process = party["processId"]?.plain ?? "?"
        let who = [party["role"], party["applicationName"]]
            .compactMap { $0?.string }
        return "pid \(process)" + (who.isEmpty ? "" : " (\(who.joined(separator: ", ")))")
    }
}
