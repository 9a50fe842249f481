import ArgumentParser
import CoordinatorAPI
import Testing

@testable import tandem

@Suite("What an answer means for the exit status")
struct OutcomeTests {
    private func answer(
        _ status: Int, _ type: String? = nil, outcome: String? = nil, retryable: Bool = false
    ) -> APIAnswer {
        guard let type else { return APIAnswer(status: status, body: []) }
        let outcome = outcome.map { #","outcome":"\#($0)""# } ?? ""
        return APIAnswer(
            status: status,
            body: Array(
                #"{"type":"/problems/\#(type)","title":"T","status":\#(status),"detail":"D.","retryable":\#(retryable)\#(outcome)}"#
                    .utf8))
    }

    @Test("a keyed request ends only with an outcome; all else is sent again")
    func verdicts() {
        func verdict(_ answer: APIAnswer) -> KeyedRequest.Verdict { .init(answer) }
        func success(_ body: String) -> APIAnswer {
            APIAnswer(status: 201, body: Array(body.utf8))
        }
        #expect(verdict(success(#"{"state":"committed"}"#)) == .known(.done))
        #expect(verdict(success(#"{"state":"aborted"}"#)) == .unknown)
        #expect(verdict(success("<html>Log in</html>")) == .unknown)
        #expect(verdict(answer(200)) == .unknown)
        #expect(verdict(answer(202)) == .committing)
        #expect(
            verdict(answer(409, "statement-failed", outcome: "aborted")) == .known(.aborted))
        #expect(
            verdict(answer(409, "needs-operator", outcome: "needsOperator"))
                == .known(.needsOperator))
        #expect(verdict(answer(409, "idempotency-key-in-progress", retryable: true)) == .unknown)
        #expect(verdict(answer(503, "outcome-unknown", outcome: "unknown")) == .unknown)
        // The key may not be recorded, but the transaction never commits.
        #expect(
            verdict(answer(503, "state-database-unavailable", outcome: "aborted"))
                == .known(.aborted))
        #expect(
            verdict(answer(503, "overloaded", outcome: "notAccepted", retryable: true))
                == .notAccepted)
        #expect(
            verdict(answer(503, "prepared-transactions-disabled", outcome: "notAccepted"))
                == .known(.unreachable))
        #expect(verdict(answer(400, "invalid-request")) == .known(.refused))
        #expect(verdict(answer(408, "request-timeout", retryable: true)) == .notAccepted)
        // A proxy's answers.
        #expect(verdict(answer(502)) == .unknown)
        #expect(verdict(answer(504)) == .unknown)
        #expect(verdict(answer(403)) == .known(.refused))
    }

    @Test("only a finished state ends a wait")
    func waits() throws {
        func meaning(_ state: String) throws -> CommandStatus? {
            TransactionWatch.meaning(
                of: try JSONReader.read(Array(#"{"state":"\#(state)"}"#.utf8)))
        }
        #expect(try meaning("committed") == .done)
        #expect(try meaning("aborted") == .aborted)
        #expect(try meaning("needsOperator") == .needsOperator)
        for state in ["active", "preparing", "committing", "aborting", "later"] {
            #expect(try meaning(state) == nil)
        }
    }

    @Test("a problem becomes sentences with the cause and the remedy")
    func sentences() throws {
        let address = try #require(ServerAddress("http://h:1"))
        let unknown = answer(503, "outcome-unknown", outcome: "unknown").failure(from: address)
        #expect(unknown.status == .unfinished)
        #expect(
            unknown.description
                == "T.\n  D.\n  Remedy: ask again: tandem transactions wait ID")
        #expect(answer(404, "not-found").failure(from: address).status == .notFound)
        #expect(answer(409, "conflict").failure(from: address).status == .refused)
        #expect(answer(412, "precondition-failed").failure(from: address).status == .refused)
        #expect(answer(500).failure(from: address).status == .failed)
        #expect(answer(302).failure(from: address).description.contains("redirect"))
        #expect(answer(401).failure(from: address).description.contains("TANDEM_TOKEN"))
        let hostile = APIAnswer(
            status: 409,
            body: Array(#"{"type":"/problems/conflict","title":"\u001b[2J","detail":"x"}"#.utf8))
        #expect(!hostile.failure(from: address).description.contains("\u{1B}"))
    }

    @Test("the exit statuses are documented, and each is another number")
    func statuses() {
        for status in CommandStatus.allCases {
            #expect(CommandStatus.help.contains("\(status.rawValue): \(status.meaning)"))
        }
        #expect(CommandStatus.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5, 6, 7, 64])
    }

    @Test("filters of the list become the query of the API")
    func filters() throws {
        let list = try TransactionsList.parse([
            "--queue", "inDoubt", "--state", "committing", "--state", "aborting", "--label", "a:b",
            "--older-than", "1m", "--key", "q\"k", "--order", "oldest", "--limit", "7",
        ])
        let query = list.filters(at: Moment(microseconds: 1_772_366_400_000_000))
        #expect(
            query.map { "\($0.name)=\($0.value)" } == [
                "queue=inDoubt", "state=committing", "state=aborting", "label=a:b",
                "acceptedBefore=2026-03-01T11:59:00.000000Z", "idempotencyKey=\"q\\\"k\"",
                "order=oldest", "limit=7",
            ])
    }

    @Test(
        "a wrong argument is refused before anything is sent",
        arguments: [
            (["list", "--limit", "0"], "Expected --limit from 1 to 200, got 0."),
            (["list", "--url", "h:1"], "Expected an address such as http://127.0.0.1:8080"),
            (
                ["list", "--url", "http://h", "--profile", "p"],
                "Expected either --url or --profile"
            ),
            (["show", "12"], "Expected a transaction's id such as 4711-9f8a6c2b01d4e37a"),
            (["wait", "1-00000000000000aa", "--timeout", "soon"], "'soon' is invalid"),
            (
                ["resolve", "1-00000000000000aa", "--branch", "0", "--outcome", "done"],
                "'rolledBack'"
            ),
            (
                [
                    "resolve", "1-00000000000000aa", "--branch", "0", "--outcome", "committed",
                    "--reason", "",
                ], "Expected a --reason"
            ),
        ])
    func arguments(arguments: [String], message: String) {
        do {
            _ = try TransactionsCommand.parseAsRoot(arguments)
            Issue.record("\(arguments) was taken")
        } catch {
            #expect(TransactionsCommand.fullMessage(for: error).contains(message))
            #expect(TransactionsCommand.exitCode(for: error).rawValue == 64)
        }
    }
}
