import Foundation
import Testing
import Yams

/// The contract as a tree, for tests that hold the code against it.
struct Contract {
    /// The text of `openapi.yaml`.
    let text: String
    private let root: Node

    init() throws {
        var directory = URL(fileURLWithPath: #filePath)
        var text: String?
        while text == nil, directory.pathComponents.count > 1 {
            directory.deleteLastPathComponent()
            let file = directory.appendingPathComponent("openapi.yaml")
            text = try? String(contentsOf: file, encoding: .utf8)
        }
        self.text = try #require(text, "openapi.yaml stands above the tests")
        root = try #require(try Yams.compose(yaml: self.text))
    }

    /// The node at that path.
    func node(_ path: String...) throws -> Node {
        var node = root
        for name in path {
            node = try #require(node[name], "\(path) is in the contract, but \(name)")
        }
        return node
    }

    /// The schema of that name.
    func schema(_ name: String) throws -> Node {
        try node("components", "schemas", name)
    }

    /// The texts of a sequence.
    static func texts(_ node: Node?) -> [String] {
        node?.sequence?.compactMap(\.string) ?? []
    }

    /// The names of a mapping.
    static func names(_ node: Node?) -> [String] {
        node?.mapping?.keys.compactMap(\.string) ?? []
    }
}
