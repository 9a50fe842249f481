/// The environment variables that belong to the configuration.
final class ConfigurationEnvironment {
    private let variables: [String: String]
    private var known: Set<String> = []

    init(_ variables: [String: String]) {
        self.variables = variables
    }

    /// The value that overrides the file's for the key at `path`.
    ///
    /// An empty variable counts as absent, because many tools set it to say "not given".
    func override(_ path: String) -> String? {
        let name = EnvironmentName.variable(path)
        known.insert(name)
        return variables[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The value for `${name}`, which may be empty.
    func substitution(_ name: String) -> String? {
        known.insert(name)
        return variables[name]
    }

    /// The names between `path` and `key` in the names of the variables that are set.
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

    /// Variables of other parts of tandem.
    private static var othersVariables: [String] {
        let others = [
            "TANDEM_POSTGRES_BIN", "TANDEM_URL", "TANDEM_TOKEN",
            "TANDEM_DEFAULT_PROFILE",
        ]
        #if TANDEM_FAILPOINTS
        return others + ["TANDEM_FAILPOINTS"]
        #else
        return others
        #endif
    }

    /// A warning for each `TANDEM_` variable that is not known.
    ///
    /// It is no fault: for a service that is named tandem a container platform sets `TANDEM_PORT` and
    /// its like by itself.
    func unknown() -> [String] {
        variables.keys.sorted().filter { $0.hasPrefix("TANDEM_") && !known.contains($0) }
            .filter { !Self.othersVariables.contains($0) && !$0.hasPrefix("TANDEM_PROFILES_") }
            .map { name in
                let hint = closest(to: name, among: known.sorted()).map { "; did you mean \($0)?" }
                return "unknown variable \(name), which has no effect\(hint ?? "")"
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
