import CoordinatorAPI
import Testing

@testable import tandem

@Suite("Transactions and participants as tables")
struct TransactionTextTests {
    private static let screen = Screen(
        width: 100, moment: Moment(microseconds: 1_772_366_400_000_000))

    private func read(_ text: String) throws -> JSONValue { try JSONReader.read(Array(text.utf8)) }

    private func row(_ more: String, _ branch: String) throws -> [String] {
        let json = try read(
            #"{"id":"7-00000000000000aa","state":"committing","acceptedAt":"#
                + #""2026-03-01T11:56:48.000000Z","owner":"replica-1"\#(more),"branches":[{"#
                + #""participant":"users","outcome":"committed"},{"participant":"orders"\#(branch)}]}"#
        )
        return TransactionText.row(json, at: Self.screen.moment).map { $0?.text ?? "-" }
    }

    @Test("a row of the list has the age, the participants and what matters most")
    func rows() throws {
        #expect(
            try row("", #","outcome":null,"lastError":"connection refused""#) == [
                "7-00000000000000aa", "committing", "3m12s", "users,orders", "replica-1",
                "orders: connection refused",
            ])
        #expect(try row("", #","outcome":"heuristicRollback""#)[5] == "orders: heuristicRollback")
        #expect(try row(#","retriedAs":"8-00000000000000ab""#, "")[5].contains("8-0000"))
        #expect(try row(#","problem":{"detail":"It failed."}"#, "")[5] == "It failed.")
        #expect(try row(#","held":true"#, "")[5].hasPrefix("held"))
    }

    @Test("details name the decision, the next attempt, the evidence and the remedy")
    func details() throws {
        let json = try read(
            #"""
            {"id":"7-00000000000000aa","state":"committing","decision":"commit","acceptedAt":
            "2026-03-01T11:59:00.000000Z","decidedAt":"2026-03-01T11:59:01.000000Z","finishedAt":null,
            "owner":"replica-1","labels":{"service":"shop"},"attempt":1,"retryOf":null,"retriedAs":null,
            "resolutions":[{"branch":0,"outcome":"committed","actor":"ada","reason":"looked","forced":
            true,"previousState":"heuristicHazard","resolvedAt":"2026-03-01T11:59:30.000000Z"}],
            "branches":[{"branch":0,"participant":"users","gid":"g0","commitMode":"twoPhase","vote":
            "prepared","outcome":null,"finishAttempts":3,"lastError":"connection refused",
            "nextAttemptAt":"2026-03-01T12:00:02.000000Z","evidence":{"xid":"742","role":"app",
            "systemIdentifier":"73","timeline":2,"lsn":"0/1"}}]}
            """#.replacing("\n", with: ""))
        let text = TransactionText.detail(json, on: Self.screen).joined(separator: "\n")
        for part in [
            "Decision     commit, 2026-03-01 11:59:01 UTC, 59s ago",
            "Labels       service:shop", "in 2s  connection refused", "g0   742  app   73",
            "branch 0: committed by ada, forced", "tandem transactions retry 7-00000000000000aa",
        ] {
            #expect(text.contains(part), "\(part) in\n\(text)")
        }
    }

    @Test("a wait for a lock names the row, the holder and for how long")
    func waits() throws {
        let json = try read(
            #"{"waits":[{"waiter":{"transaction":"7-00000000000000aa","branch":1},"since":"#
                + #""2026-03-01T11:59:55.000000Z","relation":"public.a","row":"(0,1)","#
                + #""blockerCount":2,"blockers":[{"processId":42,"role":"bill","applicationName":"#
                + #""nightly"}]}]}"#)
        #expect(
            ParticipantText.waits(json, on: Self.screen)[1]
                == " 5s  7-00000000000000aa/1  public.a (0,1)  pid 42 (bill, nightly) and 1 more")
        #expect(
            ParticipantText.waits(try read(#"{"waits":[]}"#), on: Self.screen)
                == ["No session waits for a lock there."])
    }

    @Test("a participant's prepared transactions show kind, locks, whom they block, and the remedy")
    func prepared() throws {
        let json = try read(
            #"{"observedAt":"2026-03-01T12:00:00.000000Z","preparedTransactions":[{"gid":"nightly","#
                + #""transaction":null,"branch":null,"kind":"foreign","role":"bill","database":"shop","#
                + #""preparedAt":"2026-03-01T11:00:00.000000Z","xid":"9","locks":[{"relation":"#
                + #""public.a","mode":"RowExclusiveLock","granted":true}],"blocks":[{"processId":7,"#
                + #""role":"app","applicationName":"tandem"}],"remedy":"Ask who made it."}]}"#)
        let lines = ParticipantText.prepared(json, on: Screen(moment: Self.screen.moment))
        #expect(lines[1].hasPrefix(" 1h  foreign  nightly"))
        #expect(lines[1].contains("public.a RowExclusiveLock"))
        #expect(lines[1].contains("pid 7 (app, tandem)"))
        #expect(lines.last == "  Remedy: Ask who made it.")
    }

    @Test("replicas show how long ago their heartbeat was, and what is left of the lease")
    func replicas() throws {
        let json = try read(
            #"[{"name":"replica-1","epoch":3,"lastHeartbeatAt":"2026-03-01T11:59:59.000000Z","#
                + #""leaseExpiresAt":"2026-03-01T12:00:14.000000Z","state":"live","participants":"#
                + #"["users"],"isThisReplica":true}]"#)
        #expect(
            ReplicaText.list(json, on: Self.screen)[1]
                == "replica-1  live       3     1s ago  14s left  users         answers here")
    }

    @Test("rows of results are a table in the order of the columns, and null shows as -")
    func results() throws {
        let json = try read(
            #"{"branches":[{"participant":"users","results":[{"commandTag":"SELECT 2","columns":"#
                + #"[{"name":"id"},{"name":"amount"}],"rows":[{"id":"a","amount":42.50},{"id":"b","#
                + #""amount":null}]}]}]}"#)
        #expect(
            ResultText.lines(of: json, on: Self.screen) == [
                "", "users, statement 0: SELECT 2", "id  amount", "a   42.50", "b   -",
            ])
    }
}
