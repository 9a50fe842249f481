import Foundation
import Yams

/// One mapping of the configuration: values from the file, and above them the environment's.
///
/// Every look at a key makes it known; what is left unknown at the end is a fault. All faults are
/// gathered, so that one run names them all.
final class ConfigurationSource {
    final class Faults {
        var list: [String] = []
    }

    private let node: Node?
    private let path: String
    private let environment: [String: String]
    private let faults: Faults
    private var known: [String] = []

    init(_ node: Node?, path: String, environment: [String: String], faults: Faults) {
        self.node = node
        self.path = path
        self.environment = environment
        self.faults = faults
        if let node, node.mapping == nil, node.scalar?.string != "" {
            fault("a mapping of keys and values is wanted here", at: node)
        }
    }

    func section(_ key: String) -> ConfigurationSource {
        known.append(key)
        return ConfigurationSource(
            node?.mapping?[key], path: join(key), environment: environment, faults: faults)
    }

    func list(_ key: String, identifiedBy name: String) -> [ConfigurationSource] {
        known.append(key)
        guard let items = node?.mapping?[key] else { return [] }
        guard let sequence = items.sequence else {
            fault("a list is wanted here", at: items, key: key)
            return []
        }
        return sequence.enumerated().map { index, item in
            let identity = item.mapping?[name]?.string ?? "\(index)"
            return ConfigurationSource(
                item, path: "\(join(key)).\(identity)", environment: environment, faults: faults)
        }
    }

    func string(_ key: String) -> String? {
        known.append(key)
        if let value = environment[variable(key)] { return value }
        guard let value = node?.mapping?[key] else { return nil }
        guard let text = value.scalar?.string else {
            fault("a text is wanted here", at: value, key: key)
            return nil
        }
        return substitute(text, value, key)
    }

    func integer(_ key: String, _ range: ClosedRange<Int>, _ target: inout Int) {
        guard let text = string(key) else { return }
        guard let number = Int(text), range.contains(number) else {
            return fault(
                "\"\(text)\" is not a whole number from \(range.lowerBound) to "
                    + "\(range.upperBound)", at: node?.mapping?[key], key: key)
        }
        target = number
    }

    func flag(_ key: String, _ target: inout Bool) {
        guard let text = string(key) else { return }
        switch text {
        case "true": target = true
        case "false": target = false
        default:
            fault("\"\(text)\" is neither true nor false", at: node?.mapping?[key], key: key)
        }
    }

    func fault(_ sentence: String, at place: Node?, key: String? = nil) {
        let name = key.map(join) ?? path
        let line = (place ?? node)?.mark.map { "line \($0.line): " } ?? ""
        let label = name.isEmpty ? "" : "\(name): "
        faults.list.append("\(line)\(label)\(sentence)")
    }

    func fault(_ sentence: String, key: String) {
        fault(sentence, at: node?.mapping?[key], key: key)
    }

    /// Names every key that nobody asked for.
    func refuseUnknown() {
        for (key, value) in node?.mapping ?? [:] {
            guard let name = key.string, !known.contains(name) else { continue }
            fault(
                "there is no such key; known are \(known.joined(separator: ", "))",
                at: value, key: name)
        }
    }

    private func join(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// `participants.users.poolSize` is `TANDEM_PARTICIPANTS_USERS_POOL_SIZE`.
    private func variable(_ key: String) -> String {
        var name = "TANDEM_"
        for scalar in join(key).unicodeScalars {
            if scalar == "." || scalar == "-" {
                name.append("_")
            } else {
                if ("A"..."Z").contains(scalar) { name.append("_") }
                name.append(String(scalar).uppercased())
            }
        }
        return name
    }

    private func substitute(_ text: String, _ place: Node, _ key: String) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.range(of: "${") {
            result += rest[..<start.lowerBound]
            guard let end = rest.range(of: "}", range: start.upperBound..<rest.endIndex) else {
                fault("a \"${\" is not closed", at: place, key: key)
                return text
            }
            let name = String(rest[start.upperBound..<end.lowerBound])
            if let value = environment[name] {
                result += value
            } else {
                fault("the variable \(name) is not set", at: place, key: key)
            }
            rest = rest[end.upperBound...]
        }
        return result + rest
    }
}
