import HTTPServer
import HTTPTypes
import Yams

/// The contract `openapi.yaml`, ready to be served.
struct Contract: Sendable {
    let yaml: ServerResponse
    let json: ServerResponse

    init() {
        let source = PackageResources.openapi_yaml
        yaml = ServerResponse(.ok, .yaml, body: source)
        // `scripts/check-contract.sh` validates the file that the build embeds.
        guard let node = try? Yams.compose(yaml: String(decoding: source, as: UTF8.self)) else {
            preconditionFailure("the contract is readable YAML")
        }
        var writer = JSONWriter(capacity: source.count * 2)
        writer.value(Self.value(of: node))
        json = ServerResponse(.ok, .json, body: writer.bytes)
    }

    private static func value(of node: Node) -> JSONValue {
        switch node {
        case .mapping(let mapping):
            return .object(
                mapping.map { JSONMember($0.key.string ?? "", value(of: $0.value)) })
        case .sequence(let sequence):
            return .array(sequence.map(value(of:)))
        case .scalar(let scalar):
            guard scalar.style == .plain else { return .string(scalar.string) }
            switch scalar.string {
            case "", "null", "~": return .null
            case "true": return .bool(true)
            case "false": return .bool(false)
            default:
                let isNumber = Double(scalar.string) != nil
                return isNumber ? .number(scalar.string) : .string(scalar.string)
            }
        case .alias:
            return .null
        }
    }
}
