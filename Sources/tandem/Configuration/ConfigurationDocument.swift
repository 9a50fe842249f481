import FoundationEssentials
import Yams

/// The text of a configuration file.
enum ConfigurationDocument {
    /// Reads the file, or nothing when there is none, and finds its structure.
    static func read(_ path: String?, findings: ConfigurationFindings) -> Node? {
        guard let path else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            findings.faults.append("the file cannot be read")
            return nil
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            findings.faults.append("the file is not text in UTF-8")
            return nil
        }
        return parse(text, findings: findings)
    }

    /// The structure of `text`; a fault, and nil, where it has none.
    static func parse(_ text: String, findings: ConfigurationFindings) -> Node? {
        do {
            return try Yams.compose(yaml: text)
        } catch let error as YamlError {
            findings.faults.append(describe(error))
        } catch {
            findings.faults.append("this is not YAML")
        }
        return nil
    }

    /// The place and the reason.
    ///
    /// The error's own description quotes the text around the place, where a password may stand.
    private static func describe(_ error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "line \(mark.line), column \(mark.column): this is not YAML: \(problem)"
        case .reader(let problem, _, _, _): "this is not YAML: \(problem)"
        case .duplicatedKeysInMapping(let duplicates, let context):
            "line \(context.mark.line): in the mapping that begins here, these keys are given "
                + "twice: \(duplicates.joined(separator: ", "))"
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            "this is not YAML"
        }
    }
}
