import CoordinatorAPI
import Foundation
import Yams

/// Where a command finds its replica, and the token with which it asks.
struct Profile: Sendable {
    let address: ServerAddress
    /// Never shown: no message and no help contains it.
    let token: String?

    /// What `--url`, `--profile`, the environment and the profile file say, in this order.
    ///
    /// A token of the file goes to the address of its own profile only. `TANDEM_TOKEN` goes to any
    /// address whose profile has none.
    static func choose(
        url: String?, named name: String?,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(CommandFailure) -> Profile {
        let token = environment["TANDEM_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
        let given = url ?? (name == nil ? environment["TANDEM_URL"] : nil)
        if let given, !given.isEmpty {
            guard let address = ServerAddress(given) else {
                throw CommandFailure(
                    .usage,
                    (url == nil ? "TANDEM_URL: " : "") + ServerAddress.expectation(butGot: given))
            }
            return Profile(address: address, token: try checked(token, of: "TANDEM_TOKEN"))
        }
        let file = ProfileFile(environment: environment)
        guard let chosen = try file.profile(named: name) else {
            return Profile(address: .local, token: try checked(token, of: "TANDEM_TOKEN"))
        }
        return Profile(
            address: chosen.address,
            token: try checked(chosen.token ?? token, of: "The token"))
    }

    /// Refuses a token that no header field can hold; the message does not quote it.
    fileprivate static func checked(
        _ token: String?, of source: String
    ) throws(CommandFailure) -> String? {
        guard let token else { return nil }
        guard !token.isEmpty, token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw CommandFailure(
                .usage, "\(source): expected a token of printable ASCII without blanks.")
        }
        return token
    }
}

/// The file of profiles, in YAML.
struct ProfileFile {
    private let path: String
    private let environment: [String: String]

    /// Takes `$XDG_CONFIG_HOME/tandem/profiles.yaml`, or `~/.config/tandem/profiles.yaml`.
    init(environment: [String: String]) {
        let xdg = environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        path = (xdg ?? (environment["HOME"] ?? "") + "/.config") + "/tandem/profiles.yaml"
        self.environment = environment
    }

    /// The profile of that name, or else the default one; nil if there is neither.
    func profile(named name: String?) throws(CommandFailure) -> Profile? {
        guard FileManager.default.fileExists(atPath: path) else {
            guard let name else { return nil }
            throw CommandFailure(.usage, "There is no profile \(name): there is no file \(path).")
        }
        let findings = ConfigurationFindings(environment: ConfigurationEnvironment(environment))
        let node = ConfigurationDocument.read(path, findings: findings)
        if findings.faults.isEmpty, let node { refuseReadable(node, findings) }
        var profile: Profile?
        if findings.faults.isEmpty {
            profile = try choose(findings, node, named: name)
        }
        guard findings.faults.isEmpty else {
            throw CommandFailure(
                .usage, "\(ConfigurationFaults(source: path, faults: findings.faults))")
        }
        return profile
    }

    private func choose(
        _ findings: ConfigurationFindings, _ node: Node?, named name: String?
    ) throws(CommandFailure) -> Profile? {
        let root = ConfigurationSource(node, path: "", findings: findings)
        let standard = root.string("defaultProfile")
        let profiles = root.list("profiles", namedBy: "name", required: "url")
        root.refuseUnknown()
        guard findings.faults.isEmpty, let name = name ?? standard else { return nil }
        guard let source = profiles.first(where: { $0.name == name })?.source else {
            let names = profiles.map(\.name)
            let hint =
                closest(to: name, among: names).map { "Did you mean \($0)?" }
                ?? (names.isEmpty
                    ? "It has no profiles." : "It has \(names.joined(separator: ", ")).")
            throw CommandFailure(.usage, "There is no profile \(name) in \(path). \(hint)")
        }
        let url = source.string("url")
        let token = token(source)
        source.refuseUnknown()
        guard let url, let address = ServerAddress(url) else {
            source.fault(
                url.map(ServerAddress.expectation) ?? "expected the replica's address", key: "url")
            return nil
        }
        return Profile(
            address: address, token: try Profile.checked(token, of: "The token of \(name)"))
    }

    private func token(_ source: ConfigurationSource) -> String? {
        let token = source.string("token")
        guard let file = source.string("tokenFile") else { return token }
        if token != nil {
            source.fault("expected either token or tokenFile, got both", key: "tokenFile")
        }
        guard let data = FileManager.default.contents(atPath: file) else {
            source.fault("the file \(file) cannot be read", key: "tokenFile")
            return nil
        }
        let text = String(decoding: data, as: UTF8.self)
        return String(text.prefix { !$0.isNewline })
    }

    /// Refuses a file that holds a token and that other users may read.
    ///
    /// A token that is written as `${VARIABLE}`, or in a file of its own, is not in this file.
    private func refuseReadable(_ node: Node, _ findings: ConfigurationFindings) {
        let profiles = node.mapping?["profiles"]?.sequence ?? []
        let holdsToken = profiles.contains { profile in
            guard let token = profile.mapping?["token"] else { return false }
            return token.null == nil && token.scalar?.string.hasPrefix("${") != true
        }
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        let mode = (attributes?[.posixPermissions] as? NSNumber)?.intValue ?? 0
        guard holdsToken, mode & 0o077 != 0 else { return }
        findings.faults.append(
            "other users may read the file (its mode is \(String(mode & 0o777, radix: 8))), and it "
                + "holds a token; run `chmod 600 \(path)`, or write the token as ${VARIABLE}")
    }
}
