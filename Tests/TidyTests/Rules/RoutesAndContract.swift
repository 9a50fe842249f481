/// What the router serves and what the contract promises are the same operations.
enum RoutesAndContract {
    static let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]

    static func faults(router: String, contract: String) -> [String] {
        let served = routes(router)
        let promised = operations(contract)
        guard !served.isEmpty, !promised.isEmpty else {
            return ["no routes or no operations were found"]
        }
        return served.subtracting(promised).sorted().map {
            "\($0) is served and not in openapi.yaml"
        }
            + promised.subtracting(served).sorted().map {
                "\($0) is in openapi.yaml and not served"
            }
    }

    /// The calls `router.on(.get, "/path")`, as "GET /path".
    static func routes(_ source: String) -> Set<String> {
        let pattern = /router\.on\(\s*\.(?<method>\w+)\s*,\s*"(?<path>[^"]+)"/
        return Set(
            source.matches(of: pattern).map {
                "\($0.output.method.uppercased()) \($0.output.path)"
            })
    }

    /// The keys below `paths`: two spaces before a path, four before a method.
    static func operations(_ contract: String) -> Set<String> {
        var found: Set<String> = []
        var isInPaths = false
        var path = ""
        for line in contract.split(separator: "\n") {
            if line.first != " ", line.first != "#" { isInPaths = line.hasPrefix("paths:") }
            guard isInPaths else { continue }
            if let match = line.wholeMatch(of: /\ {2}(?<path>\/[^:]*):\s*/) {
                path = String(match.output.path)
            } else if let match = line.wholeMatch(of: /\ {4}(?<method>[a-z]+):.*/),
                methods.contains(String(match.output.method))
            {
                found.insert("\(match.output.method.uppercased()) \(path)")
            }
        }
        return found
    }
}
