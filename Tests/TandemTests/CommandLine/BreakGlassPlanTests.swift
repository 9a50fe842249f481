import CommitProtocol
import Testing
import TransactionEngine

@testable import tandem

/// The plan for dumps that are written here, so that every kind of row is among them.
@Suite("Which statements break-glass derives from a row")
struct BreakGlassPlanTests {
    private static let installation = "0b6f6c1e-7d5d-4a58-9f0e-2f1f6f0c9a11"
    private static let salt = 170
    private static let id = "7-00000000000000aa"

    static func gid(_ branch: Int) -> String { "tandem:\(installation):\(id):\(branch)" }

    private static let tail = ["", "--", "-- PostgreSQL database dump complete", "--", ""]

    private static let places = ["users\t1\t73\tshop", "orders\t1\t74\tshop"]

    /// A dump with one transaction; `values` replaces columns.
    func dump(
        _ values: [String: String], quarantinedBelow: Int = 0, resolution: String? = nil,
        places: [String] = places
    ) -> [String] {
        let standard = [
            "number": "7", "salt": "\(Self.salt)", "state": "committing", "accepted_at": "now",
            "participants": "{users,orders}", "gids": "{\"\(Self.gid(0))\",\"\(Self.gid(1))\"}",
            "participant_versions": "{1,1}", "delegated": "f",
            "evidence": "{\"742 73 1 0/1 app\",\"743 74 1 0/1 app\"}",
        ]
        let columns = StateTables.Table.transactions.columns
        let row = columns.map { values[$0] ?? standard[$0] ?? "\\N" }.joined(separator: "\t")
        return [
            "--", "-- PostgreSQL database dump", "--",
            "COPY tandem.installation (singleton, id, system_identifier, timeline, quarantined_below) FROM stdin;",
            "t\t\(Self.installation)\t9\t1\t\(quarantinedBelow)", "\\.", "",
            "COPY tandem.participants (name, version, system_identifier, database) FROM stdin;",
        ] + places + [
            "\\.", "COPY tandem.replicas (name, heartbeat_at, ended) FROM stdin;",
            "replica-1\t2026-03-01 12:00:00+00\tf", "\\.",
            "COPY tandem.resolutions (number, transaction, branch, action) FROM stdin;",
        ] + (resolution.map { ["1\t\(Self.id)\t0\t\($0)"] } ?? []) + [
            "\\.", "COPY tandem.transactions (\(columns.joined(separator: ", "))) FROM stdin;", row,
            "\\.",
        ] + Self.tail
    }

    func snapshot(_ lines: [String]) throws -> StateSnapshot {
        var rest = lines[...]
        return try StateDump.read(source: "a test") { rest.popFirst() }
    }

    private func plan(
        _ values: [String: String], quarantinedBelow: Int = 0, resolution: String? = nil,
        isLastState: Bool = false
    ) throws -> BreakGlassPlan {
        let lines = dump(values, quarantinedBelow: quarantinedBelow, resolution: resolution)
        return BreakGlassPlan(try snapshot(lines), isLastState: isLastState)
    }

    @Test("a decision is final, however old the dump: commit commits, abort rolls back")
    func decided() throws {
        let commit = try plan(["decision": "commit"])
        #expect(commit.commits.map(\.gid) == [Self.gid(0), Self.gid(1)])
        #expect(commit.aborts.isEmpty && commit.presumedAborts.isEmpty && commit.open.isEmpty)
        // Not even the quarantine takes a decision back.
        #expect(try plan(["decision": "commit"], quarantinedBelow: 99).commits.count == 2)
        let abort = try plan(["decision": "abort", "state": "aborting"])
        #expect(abort.aborts.map(\.verb) == [.rollBack, .rollBack])
        #expect(abort.commits.isEmpty)
    }

    @Test("a branch that has ended, or that an operator has resolved otherwise, gets no statement")
    func ended() throws {
        let one = try plan(["decision": "commit", "outcomes": "{committed,NULL}"])
        #expect(one.commits.map(\.gid) == [Self.gid(1)])
        #expect(one.notes.isEmpty)
        let other = try plan(["decision": "commit", "outcomes": "{heuristicRollback,NULL}"])
        #expect(other.commits.map(\.gid) == [Self.gid(1)])
        #expect(other.notes.count == 1)
        let resolved = try plan(["decision": "commit"], resolution: "rolledBack")
        #expect(resolved.commits.map(\.gid) == [Self.gid(1)])
        #expect(resolved.notes.count == 1)
    }

    @Test(
        "a resolution may be an order that nobody has carried out: the statement runs if it can",
        arguments: [("commit", "committed", "COMMIT"), ("abort", "rolledBack", "ROLLBACK")])
    func ordered(decision: String, resolution: String, verb: String) throws {
        let snapshot = try snapshot(dump(["decision": decision], resolution: resolution))
        let plan = BreakGlassPlan(snapshot, isLastState: false)
        #expect((plan.commits + plan.aborts).map(\.gid) == [Self.gid(0), Self.gid(1)])
        #expect(plan.notes.isEmpty)
        let text = BreakGlassScript(snapshot, plan, only: nil).text
        #expect(
            text.contains(
                "\nSELECT format('\(verb) PREPARED %L', gid) FROM pg_prepared_xacts WHERE gid = "
                    + "'\(Self.gid(0))' AND database = current_database() \\gexec\n"))
        #expect(text.contains("\n\(verb) PREPARED '\(Self.gid(1))';\n"))
    }

    @Test("an undecided row is aborted only as the last state, outside quarantine")
    func undecided() throws {
        let row = ["state": "preparing", "evidence": "\\N"]
        let old = try plan(row)
        #expect(old.open.map(\.reason) == [.undecided])
        #expect(old.presumedAborts.isEmpty)
        let last = try plan(row, isLastState: true)
        #expect(last.presumedAborts.map(\.verb) == [.rollBack, .rollBack])
        #expect(last.open.isEmpty)
        let held = try plan(row, quarantinedBelow: 8, isLastState: true)
        #expect(held.presumedAborts.isEmpty)
        #expect(held.open.count == 1)
        #expect(try plan(row, quarantinedBelow: 7, isLastState: true).open.isEmpty)
        let lost = try plan(["state": "needsOperator"], isLastState: true)
        #expect(lost.open.map(\.reason) == [.undecidable])
        var doubtful = try snapshot(dump(row))
        doubtful.doubt = "it was promoted"
        let plan = BreakGlassPlan(doubtful, isLastState: true)
        #expect(plan.open.map(\.reason) == [.decisionMayBeLost("it was promoted")])
    }

    @Test("where a branch may hold the decision it is asked, even if the dump is the last state")
    func commitPoints() throws {
        let onePhase = ["state": "preparing", "commit_modes": "{onePhase,twoPhase}"]
        let delegated = try plan(
            onePhase.merging(["delegated": "t"]) { $1 }, isLastState: true)
        guard case .asksOnePhase(0, let evidence)? = delegated.open.first?.reason else {
            return #expect(Bool(false), "\(delegated.open)")
        }
        #expect(evidence.transactionID == 742)
        #expect(delegated.presumedAborts.isEmpty)
        let bare = try plan(
            onePhase.merging(["delegated": "t", "evidence": "\\N"]) { $1 }, isLastState: true)
        #expect(bare.open.map(\.reason) == [.asksOnePhaseWithoutEvidence(branch: 0)])
        // Before the delegation is recorded no COMMIT was sent there: the row decides.
        let early = try plan(onePhase, isLastState: true)
        #expect(early.presumedAborts.map(\.gid) == [Self.gid(1)])
        let journal = try plan(
            ["state": "preparing", "commit_modes": "{journal,twoPhase}", "journal_server": "73 2"],
            isLastState: true)
        guard case .asksJournal(0, let server)? = journal.open.first?.reason else {
            return #expect(Bool(false), "\(journal.open)")
        }
        #expect(server.timeline == 2)
        // A copy of what the commit point decided is as good as a decision in the row.
        let copied = try plan([
            "decision": "commit", "decision_from": "commitPoint", "delegated": "t",
            "commit_modes": "{onePhase,twoPhase}",
        ])
        #expect(copied.commits.map(\.gid) == [Self.gid(1)])
        let forced = try plan([
            "decision": "abort", "decision_from": "operator", "delegated": "t",
            "commit_modes": "{onePhase,twoPhase}",
        ])
        #expect(forced.aborts.map(\.gid) == [Self.gid(1)])
        #expect(forced.notes.count == 1)
    }

    @Test("the commit statements come before the rollbacks, and unsure rollbacks are conditional")
    func order() throws {
        let abort = try snapshot(dump(["decision": "abort", "evidence": "\\N"]))
        let text = BreakGlassScript(abort, BreakGlassPlan(abort, isLastState: false), only: nil)
            .text
        #expect(!text.contains("\nROLLBACK PREPARED"))
        #expect(text.contains("\\gexec"))
        #expect(text.contains("Not ended here: replica-1."))
        #expect(text.contains("2026-03-01 12:00:00+00"))
        let commit = try snapshot(dump(["decision": "commit"]))
        let script = BreakGlassScript(
            commit, BreakGlassPlan(commit, isLastState: false), only: "orders"
        ).text
        #expect(script.contains("\nCOMMIT PREPARED '\(Self.gid(1))';"))
        #expect(!script.contains("COMMIT PREPARED '\(Self.gid(0))'"))
        #expect(
            script.contains(
                "WHEN (SELECT system_identifier::text FROM pg_control_system()) <> '74'"))
        #expect(script.contains("WHEN current_database() <> 'shop'"))
    }

    @Test("a dump that is cut off, of another version, or damaged gives no statement at all")
    func refusals() throws {
        let whole = dump(["decision": "commit"])
        func refusal(_ lines: [String]) -> String? {
            do {
                _ = try snapshot(lines)
                return nil
            } catch {
                return "\(error)"
            }
        }
        #expect(refusal(whole) == nil)
        for count in 0..<(whole.count - Self.tail.count + 2) {
            #expect(refusal(Array(whole.prefix(count))) != nil, "\(count) lines")
        }
        #expect(refusal(whole + whole)?.contains("twice") == true)
        let row = try #require(whole.firstIndex { $0.hasPrefix("7\t") })
        #expect(refusal(Array(whole[...row]) + Array(whole[row...]))?.contains("same id") == true)
        #expect(refusal(["PGDMP"])?.contains("pg_restore") == true)
        #expect(
            refusal(["INSERT INTO tandem.installation VALUES (true);"])?.contains("--inserts")
                == true)
        let renamed = whole.map { $0.replacing("quarantined_below", with: "quarantine") }
        #expect(refusal(renamed)?.contains("another version") == true)
        for (column, value) in [
            ("decision", "perhaps"), ("state", "later"), ("gids", "{a,b}"), ("gids", "{}"),
            ("gids", "{\"\(Self.gid(1))\",\"\(Self.gid(0))\"}"), ("outcomes", "{committed}"),
            ("outcomes", "{done,NULL}"), ("evidence", "{x,y}"), ("commit_modes", "{fast,twoPhase}"),
            ("journal_server", "73"), ("salt", "\\N"), ("participants", "{users}"),
        ] {
            #expect(
                refusal(dump(["decision": "commit"].merging([column: value]) { $1 }))?
                    .contains("cannot be read") == true, "\(column) \(value)")
        }
    }

    @Test("values of COPY are unescaped, and texts cannot leave a comment or a string")
    func texts() {
        #expect(StateDump.unescaped(Array("\\N".utf8)) == nil)
        #expect(StateDump.unescaped(Array("a\\tb\\\\c\\n".utf8)) == "a\tb\\c\n")
        #expect(SQLLiteral.text("it's") == "'it''s'")
        #expect(SQLLiteral.text("a\\b'") == "E'a\\\\b'''")
        #expect(SQLLiteral.comment("a\nDROP TABLE x;") == "-- a DROP TABLE x;")
        #expect(SQLLiteral.dollarQuoted("a $tandem$ b") == "$ttandem$a $tandem$ b$ttandem$")
    }
}
