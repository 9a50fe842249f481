import AccessControl
import CoordinatorAPI
import FoundationEssentials

/// The file that says who may do what: principals, and the digests of their tokens.
enum AccessFile {
    /// Reads the file at a path.
    ///
    /// Throws `ConfigurationFaults` with everything that is wrong with it.
    static func read(_ path: String) throws(ConfigurationFaults) -> AccessTable {
        try table(of: FileManager.default.contents(atPath: path), path: path)
    }

    /// Reads the contents of a file, which are nil if it could not be read.
    static func table(of data: Data?, path: String) throws(ConfigurationFaults) -> AccessTable {
        // No variable overrides what is in this file, so that one place says who may do what.
        let findings = ConfigurationFindings(environment: ConfigurationEnvironment([:]))
        var entries: [AccessTable.Entry] = []
        if let text = data.flatMap({ String(validating: $0, as: UTF8.self) }) {
            let node = ConfigurationDocument.parse(text, findings: findings)
            if findings.faults.isEmpty {
                let root = ConfigurationSource(node, path: "", findings: findings)
                if root.isMapping { entries = principals(root) }
            }
        } else {
            findings.faults.append(
                data == nil ? "the file cannot be read" : "expected text in UTF-8")
        }
        guard findings.faults.isEmpty else {
            throw ConfigurationFaults(source: path, faults: findings.faults)
        }
        return AccessTable(entries)
    }

    private static func principals(_ root: ConfigurationSource) -> [AccessTable.Entry] {
        var names: Set<String> = []
        var digests: Set<TokenDigest> = []
        let sources = root.items("principals")
        let entries = sources.flatMap { source -> [AccessTable.Entry] in
            guard let principal = principal(source) else { return [] }
            if !names.insert(principal.name).inserted {
                source.fault("the name is used twice", key: "name")
            }
            let entries = source.items("tokens").compactMap { token -> AccessTable.Entry? in
                guard let entry = entry(token, of: principal) else { return nil }
                if !digests.insert(entry.digest).inserted {
                    token.fault("the token is there twice", key: "sha256")
                }
                return entry
            }
            source.refuseUnknown()
            return entries
        }
        root.refuseUnknown()
        if sources.isEmpty { root.fault("expected at least one principal", key: "principals") }
        return entries
    }

    private static func principal(_ source: ConfigurationSource) -> Principal? {
        let scopes = scopes(source, among: nil)
        let participants = participants(source, isNeeded: scopes.contains(.run))
        guard let name = source.string("name") else {
            source.fault("the name is missing", key: "name")
            return nil
        }
        if !NameRules.isParticipant(name) {
            source.fault(Configuration.nameRule, key: "name")
        } else if Principal.reservedNames.contains(name) {
            source.fault(
                "the name \(name) is taken: transactions have it that began without a principal",
                key: "name")
        }
        return Principal(name: name, scopes: scopes, participants: participants)
    }

    /// The scopes under `scopes`; a token may have only those that its principal has.
    private static func scopes(
        _ source: ConfigurationSource, among limit: Scopes?
    ) -> Scopes {
        let names = source.strings("scopes")
        if names == nil, limit == nil {
            source.fault("expected a list of \(Scope.list)", key: "scopes")
        }
        var scopes: [Scope] = []
        for name in names ?? [] {
            guard let scope = Scope(rawValue: name) else {
                source.fault("expected one of \(Scope.list), got \"\(name)\"", key: "scopes")
                continue
            }
            if let limit, !limit.contains(scope) {
                source.fault("the principal has no scope \(name) of its own", key: "scopes")
            }
            scopes.append(scope)
        }
        guard names != nil else { return limit ?? Scopes([]) }
        return Scopes(scopes)
    }

    /// The participants under `participants`: names, or `*` alone for all.
    private static func participants(
        _ source: ConfigurationSource, isNeeded: Bool
    ) -> AllowedParticipants {
        guard let names = source.strings("participants") else {
            if isNeeded {
                source.fault(
                    "expected the participants that its transactions may use, or [\"*\"] for all",
                    key: "participants")
            }
            return .only([])
        }
        if names == ["*"] { return .all }
        for name in names where !NameRules.isParticipant(name) {
            source.fault(
                "expected names of participants, or \"*\" alone, got \"\(name)\"",
                key: "participants")
        }
        return .only(Set(names))
    }

    private static func entry(
        _ source: ConfigurationSource, of principal: Principal
    ) -> AccessTable.Entry? {
        let limited = principal.limited(to: scopes(source, among: principal.scopes))
        let digest = source.string("sha256").flatMap { TokenDigest(hexadecimal: $0) }
        // The value is not quoted: it may be a token that somebody pasted.
        if digest == nil {
            source.fault("expected the SHA-256 of a token, 64 hexadecimal digits", key: "sha256")
        }
        let time = source.string("expires")
        let expires = time.flatMap { UTCTime(parsing: $0) }
        if expires == nil {
            source.fault(
                "expected a time such as 2027-03-01T00:00:00Z"
                    + (time.map { ", got \"\($0)\"" } ?? ""), key: "expires")
        }
        source.refuseUnknown()
        guard let digest, let expires else { return nil }
        return AccessTable.Entry(digest, of: limited, expiresAt: expires.microseconds)
    }
}

extension Scope {
    /// The names of all, for messages.
    static let list = allCases.map(\.rawValue).joined(separator: ", ")
}
