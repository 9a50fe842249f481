import CoordinatorAPI

/// Participants, and what is prepared and waits there, as people read them.
enum ParticipantText {
    static func list(_ json: JSONValue, on screen: Screen) -> [String] {
        let participants = json["participants"]?.elements ?? []
        return screen.lines(of: table(json))
            + participants.flatMap { unresolved(of: $0, on: screen) }
    }

    static func table(_ json: JSONValue) -> TextTable {
        var table = TextTable([
            .init("NAME"), .init("STATE"), .init("SESSIONS", isNumber: true),
            .init("IDLE", isNumber: true), .init("SLOTS", isNumber: true),
            .init("UNRESOLVED", isNumber: true), .init("BREAKER"), .init("NOTE", narrowest: 12),
        ])
        for participant in json["participants"]?.elements ?? [] { table.add(row(participant)) }
        return table
    }

    private static func row(_ participant: JSONValue) -> [TextTable.Cell?] {
        let state = participant["state"]?.string ?? "?"
        let emphasis: Emphasis =
            state == "available" ? .good : state == "unavailable" ? .bad : .attention
        func count(_ name: String) -> String { participant[name]?.plain ?? "?" }
        let unresolved = participant["unresolved"]?.elements.count ?? 0
        let breaker = participant["circuitBreaker"]?.string
        return [
            participant["name"]?.string.map { .init($0) }, .init(state, emphasis),
            .init("\(count("openConnections"))/\(count("poolSize"))"),
            .init(count("idleConnections")), slots(of: participant).map { .init($0) },
            .init("\(unresolved)", unresolved > 0 ? .bad : .none),
            breaker.map { .init($0, $0 == "closed" ? .none : .attention) },
            .init(participant["lastError"]?.string ?? ""),
        ]
    }

    /// How many slots for prepared transactions are in use, of how many.
    static func slots(of participant: JSONValue) -> String? {
        guard let slots = participant["preparedSlots"], slots != .null else { return nil }
        return "\(slots["inUse"]?.plain ?? "?")/\(slots["limit"]?.plain ?? "?")"
    }

    private static func unresolved(of participant: JSONValue, on screen: Screen) -> [String] {
        let unresolved = participant["unresolved"]?.elements ?? []
        guard !unresolved.isEmpty else { return [] }
        let name = participant["name"]?.string ?? "?"
        return ["", "Unresolved in \(name); no replica will finish these:"]
            + unresolved.flatMap { found in
                [
                    "  \(found["gid"]?.string ?? "?")",
                    "    \(found["reason"]?.string ?? "?"); prepared by "
                        + "\(found["role"]?.string ?? "?") in \(found["database"]?.string ?? "?")"
                        + (screen.moment.age(of: found["preparedAt"]).map { ", \($0.written) ago" }
                            ?? ""),
                    "    Remedy: \(found["remedy"]?.string ?? "none")",
                ].map(Terminal.printable)
            }
    }

    static func waits(_ json: JSONValue, on screen: Screen) -> [String] {
        let waits = json["waits"]?.elements ?? []
        guard !waits.isEmpty else { return ["No session waits for a lock there."] }
        var table = TextTable([
            .init("AGE", isNumber: true), .init("WAITER", narrowest: 12),
            .init("WAITS FOR", narrowest: 12), .init("BLOCKED BY", narrowest: 12),
        ])
        for wait in waits {
            table.add([
                screen.moment.age(of: wait["since"]).map { .init($0.written) },
                .init(LockText.party(wait["waiter"] ?? .null)), .init(LockText.target(of: wait)),
                .init(LockText.blockers(of: wait)),
            ])
        }
        return screen.lines(of: table)
    }

    static func prepared(_ json: JSONValue, on screen: Screen) -> [String] {
        let prepared = json["preparedTransactions"]?.elements ?? []
        guard !prepared.isEmpty else { return ["Nothing is prepared there."] }
        var table = TextTable([
            .init("AGE", isNumber: true), .init("KIND"), .init("TRANSACTION", narrowest: 24),
            .init("ROLE"), .init("DATABASE"), .init("LOCKS", narrowest: 12),
            .init("BLOCKS", narrowest: 12),
        ])
        for found in prepared {
            let kind = found["kind"]?.string ?? "?"
            table.add([
                age(of: found, at: screen.moment).map { .init($0.written) },
                .init(kind, kind == "own" ? .none : kind == "orphan" ? .bad : .attention),
                .init(name(of: found)), found["role"]?.string.map { .init($0) },
                found["database"]?.string.map { .init($0) }, .init(locks(of: found)),
                .init(
                    (found["blocks"]?.elements ?? []).map(LockText.party).joined(separator: ", ")),
            ])
        }
        var facts: [String] = []
        if let count = json["count"]?.integer, count > prepared.count {
            facts.append("These are the \(prepared.count) oldest of \(count).")
        }
        if let oldest = json["oldestXmin"], let age = oldest["ageTransactions"]?.integer {
            facts.append(
                "VACUUM keeps what was deleted in the last \(age) transactions, as long as "
                    + "\(oldest["gid"]?.string ?? "?") is prepared.")
        }
        let remedies = prepared.compactMap { found in
            found["remedy"]?.string.map { "\(found["gid"]?.string ?? "?")\n  Remedy: \($0)" }
        }
        return screen.lines(of: table) + ((facts + remedies).isEmpty ? [] : [""])
            + facts.map(Terminal.printable)
            + remedies.flatMap { $0.split(separator: "\n").map { Terminal.printable(String($0)) } }
    }

    private static func age(of found: JSONValue, at moment: Moment) -> Duration? {
        moment.age(of: found["preparedAt"])
    }

    private static func name(of found: JSONValue) -> String {
        guard let transaction = found["transaction"]?.string else {
            return found["gid"]?.string ?? "?"
        }
        return "\(transaction)/\(found["branch"]?.plain ?? "?")"
    }

    private static func blocks(of found: JSONValue) -> String {
        let blocks = found["blocks"]?.elements ?? []
        let more = (found["blockedCount"]?.integer ?? 0) - blocks.count
        return blocks.map(LockText.party).joined(separator: ", ")
            + (more > 0 ? ", \(more) more" : "")
    }

    private static func locks(of found: JSONValue) -> String {
        let relations = (found["locks"]?.elements ?? []).compactMap { lock in
            lock["relation"]?.string.map { relation in
                lock["mode"]?.string.map { "\(relation) \($0)" } ?? relation
            }
        }
        return relations.joined(separator: ", ")
    }
}

/// Replicas as people read them.
enum ReplicaText {
    static func list(_ replicas: JSONValue?, on screen: Screen) -> [String] {
        var table = TextTable([
            .init("NAME"), .init("STATE"), .init("EPOCH", isNumber: true),
            .init("HEARTBEAT", isNumber: true), .init("LEASE"),
            .init("PARTICIPANTS", narrowest: 12), .init(""),
        ])
        for replica in replicas?.elements ?? [] {
            let state = replica["state"]?.string ?? "?"
            let lease = screen.moment.time(until: replica["leaseExpiresAt"])
            let names = (replica["participants"]?.elements ?? []).compactMap(\.string)
            table.add([
                replica["name"]?.string.map { .init($0) },
                .init(state, state == "live" ? .good : state == "expired" ? .bad : .faint),
                replica["epoch"]?.plain.map { .init($0) },
                screen.moment.age(of: replica["lastHeartbeatAt"]).map {
                    .init("\($0.written) ago")
                },
                state == "live" ? lease.map { .init("\($0.written) left") } : nil,
                .init(names.joined(separator: ",")),
                .init(replica["isThisReplica"] == .bool(true) ? "answers here" : ""),
            ])
        }
        return screen.lines(of: table)
    }
}
