/// The part of the environment that speaks of the configuration.
final class ConfigurationEnvironment {
    private let variables: [String: String]
    private var asked: Set<String> = []

    init(_ variables: [String: String]) {
        self.variables = variables
    }

    /// The value that stands above the file's for the key at `path`.
    ///
    /// An empty variable counts as absent: that is how many tools write "not given".
    func override(_ path: String) -> String? {
        let name = EnvironmentName.variable(path)
        asked.insert(name)
        return variables[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The value for `${name}`, which may be empty.
    func substitution(_ name: String) -> String? {
        asked.insert(name)
        return variables[name]
    }

    /// The names that stand between `path` and `key` in variables that are given.
    func names(under path: String, with key: String) -> [String] {
        let prefix = EnvironmentName.variable(path) + "_"
        let suffix = "_" + EnvironmentName.words(of: key)
        return variables.keys.sorted().compactMap { variable in
            guard variable.hasPrefix(prefix), variable.hasSuffix(suffix),
                variable.count > prefix.count + suffix.count
            else { return nil }
            let middle = variable.dropFirst(prefix.count).dropLast(suffix.count)
            return String(middle.lowercased().map { $0 == "_" ? "-" : $0 })
        }
    }

    /// Those of other parts of tandem.
    private static var othersVariables: [String] {
        #if TANDEM_FAILPOINTS
        ["TANDEM_POSTGRES_BIN", "TANDEM_FAILPOINTS"]
        #else
        ["TANDEM_POSTGRES_BIN"]
        #endif
    }

    /// A sentence for each variable that looks like ours and that nobody asked for.
    ///
    /// Not a fault: a container platform sets `TANDEM_PORT` and its like by itself for a service that
    /// is named tandem.
    func unknown() -> [String] {
        variables.keys.sorted().filter { $0.hasPrefix("TANDEM_") && !asked.contains($0) }
            .filter { !Self.othersVariables.contains($0) }
            .map { name in
                let hint = closest(to: name, among: asked.sorted()).map { "; did you mean \($0)?" }
                return "the variable \(name) is not known and has no effect\(hint ?? "")"
            }
    }
}

/// The names of variables that stand for keys.
enum EnvironmentName {
    /// `participants.users.poolSize` is `TANDEM_PARTICIPANTS_USERS_POOL_SIZE`.
    static func variable(_ path: String) -> String {
        "TANDEM_" + words(of: path)
    }

    /// `my-users.poolSize` is `MY_USERS_POOL_SIZE`.
    static func words(of path: String) -> String {
        var words = ""
        for character in path {
            if character == "." || character == "-" {
                words.append("_")
            } else {
                if character.isUppercase { words.append("_") }
                words += character.uppercased()
            }
        }
        return words
    }
}
