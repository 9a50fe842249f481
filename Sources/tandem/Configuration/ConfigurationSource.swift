import Yams

/// One mapping of the configuration: values from the file, and above them the environment's.
///
/// Every look at a key makes it known; what is left unknown at the end is a fault.
final class ConfigurationSource {
    private let node: Node?
    private let path: String
    private let findings: ConfigurationFindings
    private var known: [String] = []

    /// False when something else stands where keys and values are wanted; that is reported.
    let isMapping: Bool

    init(_ node: Node?, path: String, findings: ConfigurationFindings) {
        self.node = node
        self.path = path
        self.findings = findings
        isMapping = node == nil || node?.mapping != nil || node?.null != nil
        if !isMapping { fault("keys and values are wanted here") }
    }

    /// The mapping under `key`; an empty one when there is none.
    func section(_ key: String) -> ConfigurationSource {
        known.append(key)
        return ConfigurationSource(value(key), path: join(key), findings: findings)
    }

    /// The mappings in the list under `key`, and one more for each name that only the environment
    /// knows: by a variable of it that ends in the name of `required`.
    func list(
        _ key: String, namedBy name: String, required: String
    ) -> [(name: String, source: ConfigurationSource)] {
        known.append(key)
        var named: [(name: String, source: ConfigurationSource)] = []
        let items = value(key)
        if let items, items.sequence == nil {
            fault("a list is wanted here", key: key)
            return []
        }
        for (index, item) in (items?.sequence ?? []).enumerated() {
            let given = item.mapping?[name]?.string
            let source = ConfigurationSource(
                item, path: "\(join(key)).\(given ?? String(index + 1))", findings: findings)
            guard source.isMapping else { continue }
            source.known.append(name)
            if given == nil { source.fault("a name is wanted", key: name) }
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

    /// The value under `key` as it is written, with every `${NAME}` replaced.
    func string(_ key: String) -> String? {
        known.append(key)
        if let value = findings.environment.override(join(key)) { return value }
        guard let value = value(key) else { return nil }
        guard let text = value.scalar?.string else {
            fault("a single value is wanted here", key: key)
            return nil
        }
        return substitute(text, key)
    }

    /// Sets `target` to the whole number under `key`, if there is one.
    func integer(_ key: String, _ range: ClosedRange<Int>, _ target: inout Int) {
        guard let text = string(key) else { return }
        guard let number = Int(text), range.contains(number) else {
            return fault(
                "\"\(text)\" is not a whole number from \(range.lowerBound) to "
                    + "\(range.upperBound)", key: key)
        }
        target = number
    }

    /// Sets `target` to the truth value under `key`, if there is one.
    func flag(_ key: String, _ target: inout Bool) {
        guard let text = string(key) else { return }
        switch text {
        case "true": target = true
        case "false": target = false
        default: fault("\"\(text)\" is neither true nor false", key: key)
        }
    }

    /// Sets `target` to the word under `key`, if there is one, and if it is one of `words`.
    func word(_ key: String, _ words: [String], _ target: inout String) {
        guard let text = string(key) else { return }
        guard words.contains(text) else {
            return fault(
                "\"\(text)\" is none of \(words.joined(separator: ", "))", key: key)
        }
        target = text
    }

    /// Reports what is wrong with the mapping itself, or with what stands under `key`.
    func fault(_ sentence: String, key: String? = nil) {
        findings.faults.append(located(sentence, key))
    }

    /// Reports what works but should not stay so.
    func warning(_ sentence: String, key: String) {
        findings.warnings.append(located(sentence, key))
    }

    /// Names every key that nobody asked for, and the known one that was probably meant.
    func refuseUnknown() {
        for (key, _) in node?.mapping ?? [:] {
            let name = key.string ?? "?"
            guard !known.contains(name) else { continue }
            let line = key.mark.map { "line \($0.line): " } ?? ""
            let hint =
                closest(to: name, among: known).map { "did you mean \($0)?" }
                ?? "known are \(known.joined(separator: ", "))"
            findings.faults.append("\(line)\(join(name)): there is no such key; \(hint)")
        }
    }

    /// What stands under `key`; nothing at all, `~` and `null` mean that it is not given.
    private func value(_ key: String) -> Node? {
        node?.mapping?[key].flatMap { $0.null == nil ? $0 : nil }
    }

    private func join(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private func located(_ sentence: String, _ key: String?) -> String {
        let name = key.map(join) ?? path
        if key != nil, findings.environment.override(name) != nil {
            return "\(EnvironmentName.variable(name)): \(sentence)"
        }
        let line = (key.flatMap(value) ?? node)?.mark.map { "line \($0.line): " } ?? ""
        return line + (name.isEmpty ? "" : "\(name): ") + sentence
    }

    private func substitute(_ text: String, _ key: String) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "${") {
            result += rest[..<start.lowerBound]
            rest = rest[start.upperBound...]
            guard let end = rest.firstIndex(of: "}") else {
                fault("a \"${\" is not closed by \"}\"", key: key)
                return result
            }
            let name = String(rest[..<end])
            if let value = findings.environment.substitution(name) {
                result += value
            } else {
                fault("the environment variable \(name) is not set", key: key)
            }
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}
