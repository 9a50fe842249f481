import Foundation
import Yams

/// One mapping of the configuration: values from the file, overridden by the environment's.
///
/// Reading a key makes it known; a key that is unknown at the end is a fault.
final class ConfigurationSource {
    private let node: Node?
    private let path: String
    private let findings: ConfigurationFindings
    private var known: [String] = []

    /// False if the value is something else than keys and values; that is reported.
    let isMapping: Bool

    init(_ node: Node?, path: String, findings: ConfigurationFindings) {
        self.node = node
        self.path = path
        self.findings = findings
        isMapping = node == nil || node?.mapping != nil || node?.null != nil
        if !isMapping { fault("expected keys and values") }
    }

    /// The mapping under `key`, or an empty one if there is none.
    func section(_ key: String) -> ConfigurationSource {
        known.append(key)
        return ConfigurationSource(value(key), path: join(key), findings: findings)
    }

    /// The mappings in the list under `key`, and one more for each name that only the environment
    /// has: in a variable that ends in the name of `required`.
    func list(
        _ key: String, namedBy name: String, required: String
    ) -> [(name: String, source: ConfigurationSource)] {
        known.append(key)
        var named: [(name: String, source: ConfigurationSource)] = []
        let items = value(key)
        if let items, items.sequence == nil {
            fault("expected a list", key: key)
            return []
        }
        for (index, item) in (items?.sequence ?? []).enumerated() {
            let given = item.mapping?[name]?.string
            let shown = given.flatMap { $0.isLikeName ? $0 : nil } ?? String(index + 1)
            let source = ConfigurationSource(
                item, path: "\(join(key)).\(shown)", findings: findings)
            guard source.isMapping else { continue }
            source.known.append(name)
            if given == nil { source.fault("the name is missing", key: name) }
            named.append((given ?? "", source))
        }
        let taken = Set(named.map { EnvironmentName.words(of: $0.name) })
        for added in findings.environment.names(under: join(key), with: required)
        where !taken.contains(EnvironmentName.words(of: added)) {
            let source = ConfigurationSource(
                nil, path: "\(join(key)).\(added)", findings: findings)
            named.append((added, source))
        }
        return named
    }

    /// The mappings in the list under `key`, by their numbers from 1.
    func items(_ key: String) -> [ConfigurationSource] {
        known.append(key)
        guard let items = value(key) else { return [] }
        guard let list = items.sequence else {
            fault("expected a list", key: key)
            return []
        }
        return list.enumerated().map { index, item in
            ConfigurationSource(item, path: "\(join(key)).\(index + 1)", findings: findings)
        }.filter(\.isMapping)
    }

    /// The value under `key` as it is written, with every `${NAME}` replaced.
    func string(_ key: String) -> String? {
        known.append(key)
        if let value = findings.environment.override(join(key)) { return value }
        guard let value = value(key) else { return nil }
        guard let text = value.scalar?.string else {
            fault("expected a single value", key: key)
            return nil
        }
        return substitute(text, key)
    }

    /// The values in the list under `key`, or between the commas of the variable that overrides it.
    func strings(_ key: String) -> [String]? {
        known.append(key)
        if let value = findings.environment.override(join(key)) {
            return value.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        }
        guard let list = value(key) else { return nil }
        let texts = list.sequence?.compactMap(\.scalar?.string)
        guard let texts, texts.count == list.sequence?.count else {
            fault("expected a list of single values", key: key)
            return nil
        }
        return texts.map { substitute($0, key) }
    }

    /// Sets `target` to the integer under `key`, if there is one.
    func integer(_ key: String, in range: ClosedRange<Int>, into target: inout Int) {
        guard let text = string(key) else { return }
        guard let number = Int(text), range.contains(number) else {
            return fault(
                "expected an integer from \(range.lowerBound) to \(range.upperBound), got "
                    + "\"\(text)\"", key: key)
        }
        target = number
    }

    /// Sets `target` to the number under `key`, if there is one.
    func number(_ key: String, in range: ClosedRange<Double>, into target: inout Double) {
        guard let text = string(key) else { return }
        guard let number = Double(text), range.contains(number) else {
            return fault(
                "expected a number from \(range.lowerBound) to \(range.upperBound), got "
                    + "\"\(text)\"", key: key)
        }
        target = number
    }

    /// Sets `target` to the address under `key`, if there is one: of http or https, with a host.
    ///
    /// - Parameter isSecret: whether messages must not quote it.
    func address(
        _ key: String, suchAs example: String, isSecret: Bool = false, into target: inout URL?
    ) {
        guard let text = string(key) else { return }
        guard let url = URL(string: text), ["http", "https"].contains(url.scheme?.lowercased()),
            url.host?.isEmpty == false
        else {
            return fault(
                "expected an address such as \(example)" + (isSecret ? "" : ", got \"\(text)\""),
                key: key)
        }
        target = url
    }

    /// Sets `target` to the boolean under `key`, if there is one.
    func flag(_ key: String, into target: inout Bool) {
        guard let text = string(key) else { return }
        switch text {
        case "true": target = true
        case "false": target = false
        default: fault("expected true or false, got \"\(text)\"", key: key)
        }
    }

    /// Sets `target` to the word under `key`, if there is one, and it is one of `words`.
    func word(_ key: String, of words: [String], into target: inout String) {
        guard let text = string(key) else { return }
        guard words.contains(text) else {
            return fault(
                "expected one of \(words.joined(separator: ", ")), got \"\(text)\"", key: key)
        }
        target = text
    }

    /// Reports what is wrong with the mapping itself, or with the value under `key`.
    func fault(_ message: String, key: String? = nil) {
        findings.faults.append(located(message, key))
    }

    /// Reports what works but should be changed.
    func warning(_ message: String, key: String) {
        findings.warnings.append(located(message, key))
    }

    /// Reports every unknown key, with the known one that was probably meant.
    func refuseUnknown() {
        for (key, _) in node?.mapping ?? [:] {
            let name = key.string ?? "?"
            guard !known.contains(name) else { continue }
            let line = key.mark.map { "line \($0.line): " } ?? ""
            let shown = name.isLikeName ? name : "(not shown)"
            let hint =
                closest(to: name, among: known).map { "did you mean \($0)?" }
                ?? "expected one of \(known.joined(separator: ", "))"
            findings.faults.append("\(line)\(join(shown)): unknown key; \(hint)")
        }
    }

    /// The value under `key`; no value, `~` and `null` mean that it is not given.
    private func value(_ key: String) -> Node? {
        node?.mapping?[key].flatMap { $0.null == nil ? $0 : nil }
    }

    private func join(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private func located(_ message: String, _ key: String?) -> String {
        let name = key.map(join) ?? path
        if key != nil, findings.environment.override(name) != nil {
            return "\(EnvironmentName.variable(name)): \(message)"
        }
        let line = (key.flatMap(value) ?? node)?.mark.map { "line \($0.line): " } ?? ""
        return line + (name.isEmpty ? "" : "\(name): ") + message
    }

    private func substitute(_ text: String, _ key: String) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "${") {
            result += rest[..<start.lowerBound]
            rest = rest[start.upperBound...]
            guard let end = rest.firstIndex(of: "}") else {
                fault("expected \"}\" after \"${\"", key: key)
                return result
            }
            let name = String(rest[..<end])
            if let value = findings.environment.substitution(name) {
                result += value
            } else {
                fault(
                    name.isLikeName
                        ? "the environment variable \(name) is not set"
                        : "expected the name of a variable between \"${\" and \"}\"", key: key)
            }
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}

extension String {
    /// Whether a report may show it where a name is expected: in a file that is broken, a connection string
    /// with its password may be there.
    fileprivate var isLikeName: Bool {
        (1...63).contains(utf8.count)
            && utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
