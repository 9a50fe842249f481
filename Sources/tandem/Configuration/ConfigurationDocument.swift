import FoundationEssentials
import Yams

/// The text of a configuration file.
enum ConfigurationDocument {
    /// Reads and parses the file; nil if there is none, or it cannot be read.
    static func read(_ path: String?, findings: ConfigurationFindings) -> Node? {
        guard let path else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            findings.faults.append("the file cannot be read")
            return nil
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            findings.faults.append("expected text in UTF-8")
            return nil
        }
        return parse(text, findings: findings)
    }

    /// Parses a text; adds a fault and returns nil if it is no YAML.
    static func parse(_ text: String, findings: ConfigurationFindings) -> Node? {
        do {
            return try Yams.compose(yaml: text)
        } catch let error as YamlError {
            findings.faults.append(describe(error))
        } catch {
            findings.faults.append("expected YAML")
        }
        return nil
    }

    /// The place and the reason.
    ///
    /// The error's own description quotes the text around the place, which may hold a password.
    private static func describe(_ error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "line \(mark.line), column \(mark.column): expected YAML: \(problem)"
        case .reader(let problem, _, _, _): "expected YAML: \(problem)"
        case .duplicatedKeysInMapping(let duplicates, let context):
            "line \(context.mark.line): the mapping that begins here has these keys twice: "
                + duplicates.joined(separator: ", ")
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            "expected YAML"
        }
    }
}
