import CommitProtocol
import Testing
import TransactionEngine
import Yams

@testable import CoordinatorAPI

@Suite("The wire types match the contract")
struct WireContract {
    private let contract: Contract
    private let limits = WireLimits()

    init() throws {
        contract = try Contract()
    }

    private func property(_ schema: String, _ name: String) throws -> Node {
        try #require(try contract.schema(schema)["properties"]?[name])
    }

    @Test("Limits")
    func limit() throws {
        let expected: [(String, String, String, Int)] = [
            ("TransactionRequest", "branches", "maxItems", limits.branchesMax),
            ("TransactionRequest", "timeoutMilliseconds", "maximum", limits.timeoutMillisecondsMax),
            ("TransactionRequest", "retries", "maximum", WireLimits.retriesMax),
            ("BranchRequest", "statements", "maxItems", limits.statementsPerBranchMax),
            ("StatementRequest", "parameters", "maxItems", limits.parametersPerStatementMax),
            ("StatementRequest", "sql", "maxLength", limits.sqlCharactersMax),
        ]
        for (schema, name, keyword, value) in expected {
            #expect(try property(schema, name)[keyword]?.int == value, "\(schema) \(name)")
        }
        let rows = try contract.schema("ExpectedRows")["anyOf"]
        #expect(rows?[0]?["maximum"]?.int == ExpectedRows.limit)
        for name in ["min", "max"] {
            #expect(rows?[1]?["properties"]?[name]?["maximum"]?.int == ExpectedRows.limit)
        }
        let labels = try contract.schema("Labels")
        #expect(labels["maxProperties"]?.int == limits.labelsMax)
        #expect(
            labels["additionalProperties"]?["maxLength"]?.int == limits.labelValueCharactersMax)
    }

    @Test(
        "Patterns of names",
        arguments: ["a", "A", "a-b", "a_b", "-a", "1", "é", "", "a.b/c", "a\n"])
    func patterns(_ name: String) throws {
        let participant = try #require(try contract.schema("ParticipantName")["pattern"]?.string)
        let label = try #require(try contract.schema("Labels")["propertyNames"]?["pattern"]?.string)
        #expect(
            try (name.wholeMatch(of: Regex(participant)) != nil) == NameRules.isParticipant(name))
        #expect(try (name.wholeMatch(of: Regex(label)) != nil) == NameRules.isLabel(name))
    }

    @Test("Enumerations")
    func enumerations() throws {
        #expect(
            Contract.texts(try contract.schema("Isolation")["enum"])
                == Isolation.allCases.map(\.rawValue))
        #expect(
            Contract.texts(try contract.schema("ExecutionOrder")["enum"])
                == TransactionRequest.ExecutionOrder.allCases.map(\.rawValue))
        #expect(
            Contract.texts(try contract.schema("TransactionState")["enum"])
                == TransactionState.allCases.map(\.rawValue))
        #expect(
            Contract.texts(try contract.schema("QueueName")["enum"])
                == TransactionQueue.allCases.map(\.rawValue))
        #expect(
            Contract.texts(try contract.schema("Replica")["properties"]?["state"]?["enum"])
                == ReplicaReport.State.allCases.map(\.rawValue))
        #expect(
            Contract.texts(
                try contract.schema("PreparedTransaction")["properties"]?["kind"]?["enum"])
                == PreparedReport.Kind.allCases.map(\.rawValue))
    }

    @Test("The parameters of each query")
    func parameters() throws {
        let unknown = [(name: "?", value: "")]
        func known(_ decode: ([(name: String, value: String)]) throws(Problem) -> Void) -> String {
            do {
                try decode(unknown)
                return "nothing was refused"
            } catch {
                return error.issues.first?.detail ?? ""
            }
        }
        let queries = [
            "/v1/transactions": known { items throws(Problem) in
                _ = try TransactionListQuery.decode(items)
            },
            "/v1/transactions/{id}": known { items throws(Problem) in
                _ = try TransactionQuery.waitSeconds(items)
            },
            "/livez": known { items throws(Problem) in _ = try HealthQuery.isVerbose(items) },
            "/v1/participants/{name}/waits": known { items throws(Problem) in
                try NoQuery.require(items)
            },
            "/v1/participants": known { items throws(Problem) in try NoQuery.require(items) },
            "/v1/participants/{name}/prepared": known { items throws(Problem) in
                try NoQuery.require(items)
            },
            "/v1/overview": known { items throws(Problem) in try NoQuery.require(items) },
            "/v1/replicas": known { items throws(Problem) in try NoQuery.require(items) },
        ]
        for (path, message) in queries {
            let operation = try contract.node("paths", path, "get")
            var names: [String] = []
            for node in operation["parameters"]?.sequence ?? [] {
                let name = node["$ref"]?.string?.split(separator: "/").last.map(String.init)
                let parameter = try name.map {
                    try contract.node("components", "parameters", $0)
                }
                let resolved = parameter ?? node
                if resolved["in"]?.string == "query" {
                    names.append(resolved["name"]?.string ?? "")
                }
            }
            let list = names.joined(separator: ", ")
            let rule = names.isEmpty ? "this resource has none" : "expected one of \(list)"
            #expect(message == "Unknown parameter; \(rule).")
        }
    }

    @Test("Every answer with a body has an example")
    func answersHaveExamples() throws {
        var bodies = 0
        func look(_ response: Node, _ name: String) {
            for (type, media) in response["content"]?.mapping ?? [:] {
                bodies += 1
                let count = media["examples"]?.mapping?.count ?? (media["example"] == nil ? 0 : 1)
                #expect(count > 0, "\(name) as \(type.string ?? "")")
            }
        }
        let shared = try contract.node("components", "responses")
        for (name, response) in try #require(shared.mapping) { look(response, name.string ?? "") }
        let paths = try #require(try contract.node("paths").mapping)
        for (path, item) in paths {
            for (method, operation) in item.mapping ?? [:] {
                for (status, response) in operation["responses"]?.mapping ?? [:] {
                    look(
                        response,
                        [method, path, status].compactMap(\.string).joined(separator: " "))
                }
            }
        }
        #expect(bodies >= 25)
    }

    @Test("The contract's own example is a valid request")
    func example() throws {
        let body = try contract.node("paths", "/v1/transactions", "post", "requestBody")
        let examples = body["content"]?["application/json"]?["examples"]
        let value = try #require(examples?["userAndOrder"]?["value"])
        var writer = JSONWriter()
        write(value, &writer)
        let request = try TransactionBody.decode(writer.bytes)
        #expect(request.branches.map(\.participant) == ["users", "orders"])
        #expect(request.branches[1].work.statements[0].parameters.last == "42.50")
    }

    private func write(_ node: Node, _ writer: inout JSONWriter) {
        if let mapping = node.mapping {
            writer.beginObject()
            for (name, value) in mapping {
                writer.name(escaping: name.string ?? "")
                write(value, &writer)
            }
            writer.endObject()
        } else if let sequence = node.sequence {
            writer.beginArray()
            for element in sequence { write(element, &writer) }
            writer.endArray()
        } else if let text = node.string {
            if node.float == nil { writer.string(text) } else { writer.raw(text.utf8) }
        }
    }
}
