import FoundationEssentials
import PostgresClient

extension Configuration {
    /// The connection string of a section, with its password.
    static func connection(_ source: ConfigurationSource) -> ConnectionOptions? {
        let conninfo = source.string("conninfo")
        let password = password(source)
        guard let conninfo, !conninfo.isEmpty else {
            source.fault(
                "expected a libpq connection string such as "
                    + "\"host=db.internal dbname=users user=tandem\"", key: "conninfo")
            return nil
        }
        let options: ConnectionOptions
        do {
            options = try ConnectionOptions(conninfo: conninfo)
        } catch {
            // The message quotes nothing of the string, which may hold a password.
            source.fault(
                "\(error); expected \"host=... dbname=... user=...\" with single quotes around a "
                    + "value that has a blank, or \"postgresql://user@host/dbname\"",
                key: "conninfo")
            return nil
        }
        if options["password"] != nil, password == nil {
            source.warning(
                "the connection string holds the password; use passwordFile, or password with "
                    + "${VARIABLE}, to keep it out of this file", key: "conninfo")
        }
        var changes = ["target_session_attrs": "primary"]
        changes["password"] = password
        return try? options.overriding(changes)
    }

    private static func password(_ source: ConfigurationSource) -> String? {
        secret("password", source)
    }

    /// A secret, which stands under its key, or alone in the file whose path is under `keyFile`.
    static func secret(_ key: String, _ source: ConfigurationSource) -> String? {
        let fileKey = key + "File"
        let secret = source.string(key)
        guard let file = source.string(fileKey) else { return secret }
        if secret != nil {
            source.fault("expected either \(key) or \(fileKey), got both", key: fileKey)
        }
        guard let data = FileManager.default.contents(atPath: file) else {
            source.fault("the file \(file) cannot be read", key: fileKey)
            return nil
        }
        // The newline at the end of the file is not part of the secret. Blanks may be.
        let text = String(decoding: data, as: UTF8.self)
        let line = String(text.prefix { !$0.isNewline })
        if line.isEmpty {
            source.fault(
                "expected the \(key) in the first line of \(file), got an empty line", key: fileKey)
        } else if text.dropFirst(line.count).contains(where: { !$0.isNewline }) {
            source.fault("expected one line in \(file), got more", key: fileKey)
        }
        return line
    }
}
