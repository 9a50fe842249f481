import Testing
import TransactionEngine

@testable import CoordinatorAPI

@Suite("Problems")
struct ProblemRendering {
    @Test("Every type has a title and a status of an error", arguments: ProblemType.allCases)
    func types(_ type: ProblemType) throws {
        #expect(!type.title.isEmpty)
        #expect(!type.title.hasSuffix("."))
        #expect((400...599).contains(type.status))
        #expect(type.uri == "/problems/" + type.rawValue)
        #expect(
            type.rawValue.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "-")
            })
        let value = try JSONReader.read(Problem(type, "Something.").render())
        #expect(value["type"]?.string == type.uri)
        #expect(value["status"]?.integer == type.status)
        #expect(value["detail"]?.string == "Something.")
    }

    @Test("Titles differ")
    func titles() {
        #expect(Set(ProblemType.allCases.map(\.title)).count == ProblemType.allCases.count)
    }

    @Test(
        "Nothing accepted is 503, recorded as aborted or against a decision is 409",
        arguments: ProblemType.allCases)
    func outcomes(_ type: ProblemType) {
        switch type.outcome {
        case .notAccepted, .unknown: #expect(type.status == 503)
        case .aborted, .needsOperator: #expect(type.status == 409)
        case nil: #expect(type.status != 503)
        }
        #expect(type.retryAfterSeconds != nil || type.status != 503)
    }

    @Test("Members without a value are left out")
    func minimal() {
        let problem = Problem(.notFound, "There is no transaction 1-00.")
        #expect(
            String(decoding: problem.render(), as: UTF8.self)
                == #"{"type":"/problems/not-found","title":"The resource does not exist","#
                + #""status":404,"detail":"There is no transaction 1-00.","retryable":false}"#)
    }

    @Test("A failed statement says which one failed and what PostgreSQL said")
    func statementFailed() throws {
        var failure = PostgresFailure(
            sqlState: "23505", message: "duplicate key \"a\"",
            detail: "Key (id)=(o1) already exists.", constraint: "orders_pkey")
        failure.table = "orders"
        failure.position = 3
        var problem = Problem(
            .statementFailed, "Statement 1 of branch 2 failed.", postgres: failure)
        problem.transaction = "4711-9f8a6c2b01d4e37a"
        problem.branch = 2
        problem.participant = "orders"
        problem.statement = 1
        let value = try JSONReader.read(problem.render())
        #expect(value["instance"]?.string == "/v1/transactions/4711-9f8a6c2b01d4e37a")
        #expect(problem.location == "/v1/transactions/4711-9f8a6c2b01d4e37a")
        #expect(value["branch"]?.integer == 2)
        #expect(value["statement"]?.integer == 1)
        #expect(value["participant"]?.string == "orders")
        #expect(value["sqlstate"]?.string == "23505")
        #expect(value["outcome"]?.string == "aborted")
        #expect(value["retryable"] == .bool(false))
        #expect(value["postgres"]?["message"]?.string == "duplicate key \"a\"")
        #expect(value["postgres"]?["constraint"]?.string == "orders_pkey")
        #expect(value["postgres"]?["position"]?.integer == 3)
        #expect(value["postgres"]?["hint"] == nil)
    }

    @Test(
        "The SQLSTATE decides whether the same work may succeed later",
        arguments: [
            ("40001", true), ("40P01", true), ("55P03", true), ("53200", true), ("57P01", true),
            ("57014", false), ("23505", false), ("42601", false), ("55000", false),
        ])
    func retryable(_ sqlstate: String, _ expected: Bool) {
        let failure = PostgresFailure(sqlState: sqlstate, message: "x")
        #expect(Problem(.statementFailed, "x.", postgres: failure).isRetryable == expected)
        #expect(Problem(.participantLost, "x.", postgres: failure).isRetryable)
    }

    @Test("Issues keep their places")
    func issues() throws {
        let problem = Problem([
            RequestIssue(.body(.root.member("a/b").element(0)), "One."),
            RequestIssue(.parameter("limit"), "Two."), RequestIssue(.header("Prefer"), "Three."),
        ])
        let value = try JSONReader.read(problem.render())
        #expect(value["detail"]?.string == "3 errors in the request: One.")
        #expect(value["errors"]?[0]?["pointer"]?.string == "/a~1b/0")
        #expect(value["errors"]?[1]?["parameter"]?.string == "limit")
        #expect(value["errors"]?[2]?["header"]?.string == "Prefer")
        #expect(value["errors"]?[2]?["detail"]?.string == "Three.")
    }

    @Test("A body that is no JSON is refused with the place")
    func malformed() throws {
        let problem = #expect(throws: Problem.self) {
            try TransactionBody.decode(Array("{\"branches\":[\n}".utf8))
        }
        #expect(problem?.type == .malformedJSON)
        #expect(problem?.pointer == "/branches/0")
        #expect(problem?.detail.hasPrefix("Line 2, column 1: ") == true)
    }
}
