import Testing
import TransactionEngine
import Yams

@testable import CoordinatorAPI

@Suite("Problems and the contract are one")
struct ProblemContract {
    private let contract: Contract

    init() throws {
        contract = try Contract()
    }

    @Test("The contract lists every type, in the same order")
    func types() throws {
        let types = try contract.schema("Problem")["properties"]?["type"]?["enum"]
        #expect(Contract.texts(types) == ProblemType.allCases.map(\.uri))
    }

    @Test("The contract's table says what every type means", arguments: ProblemType.allCases)
    func table(_ type: ProblemType) {
        let line = "| `\(type.uri)` | \(type.status) | \(type.title) | "
        let retryable =
            switch type {
            case .statementFailed, .deferredConstraintFailed: "by SQLSTATE"
            case .aborted: "by cause"
            case .stateDatabaseUnavailable:
                "yes, with the same key; no if the `outcome` is `aborted`: use a new key"
            default: type.isRetryable ? "yes" : "no"
            }
        #expect(contract.text.contains(line + retryable + " |"))
    }

    @Test("Every response names types of its own status, and all types are named")
    func responses() throws {
        var named: Set<String> = []
        let responses = try contract.node("components", "responses")
        for (name, response) in try #require(responses.mapping) {
            let schema = response["content"]?["application/problem+json"]?["schema"]
            let narrowed = schema?["allOf"]?[1]?["properties"]
            let status = try #require(narrowed?["status"]?["const"]?.int)
            let types = Contract.texts(narrowed?["type"]?["enum"])
            #expect(!types.isEmpty)
            for uri in types {
                let type = try #require(ProblemType.allCases.first { $0.uri == uri })
                let isAllowed = type.status == status || (type == .malformedHTTP && status >= 400)
                #expect(isAllowed, "\(name.string ?? ""): \(uri)")
                named.insert(uri)
            }
        }
        #expect(named == Set(ProblemType.allCases.map(\.uri)))
    }

    @Test("Every example of a problem says what its type says")
    func examples() throws {
        let responses = try contract.node("components", "responses")
        for (name, response) in try #require(responses.mapping) {
            let examples = response["content"]?["application/problem+json"]?["examples"]
            for (_, example) in try #require(examples?.mapping, "\(name.string ?? "")") {
                let problem = try #require(example["value"])
                let type = try #require(
                    ProblemType.allCases.first { $0.uri == problem["type"]?.string })
                #expect(problem["title"]?.string == type.title)
                #expect(problem["status"]?.int == type.status)
                #expect(problem["retryable"]?.bool == type.isRetryable)
                #expect(problem["outcome"]?.string == type.outcome?.rawValue)
            }
        }
    }

    @Test("A problem with all its members has those of the contract, in no other spelling")
    func members() throws {
        var failure = PostgresFailure(
            sqlState: "23505", message: "m", detail: "d", hint: "h", constraint: "k")
        failure.position = 1
        failure.context = "w"
        failure.schema = "s"
        failure.table = "t"
        failure.column = "c"
        var problem = Problem(.statementFailed, "x.", postgres: failure)
        problem.transaction = "1-0000000000000000"
        problem.branch = 0
        problem.participant = "users"
        problem.statement = 0
        problem.pointer = ""
        problem.issues = [RequestIssue(.parameter("a"), "b.")]
        problem.cycle = [
            LockWaitReport(participant: "users", waiter: .init(), blockers: [.init()], since: 0)
        ]
        let value = try JSONReader.read(problem.render())
        try expect(value, "Problem")
        try expect(value["postgres"], "PostgresFailure")
        let places: [RequestIssue.Place] = [.body(.root), .parameter("a"), .header("b")]
        let placeNames = try places.flatMap { place in
            try names(JSONReader.read(Problem([RequestIssue(place, "c.")]).render())["errors"]?[0])
        }
        #expect(
            Set(placeNames)
                == Set(Contract.names(try contract.schema("RequestIssue")["properties"])))
        let outcomes = try contract.schema("Problem")["properties"]?["outcome"]?["enum"]
        #expect(Contract.texts(outcomes) == ProblemOutcome.allCases.map(\.rawValue))
    }

    private func expect(_ value: JSONValue?, _ schema: String) throws {
        let properties = try contract.schema(schema)["properties"]
        #expect(names(value) == Contract.names(properties))
    }

    private func names(_ value: JSONValue?) -> [String] {
        guard case .object(let members) = value else { return [] }
        return members.map(\.name)
    }
}
