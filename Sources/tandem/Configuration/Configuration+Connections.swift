import FoundationEssentials
import PostgresClient

extension Configuration {
    /// The connection string of a section, with the password from where it is kept.
    static func connection(_ source: ConfigurationSource) -> ConnectionOptions? {
        let conninfo = source.string("conninfo")
        let password = password(source)
        guard let conninfo, !conninfo.isEmpty else {
            source.fault(
                "a libpq connection string is wanted, such as "
                    + "\"host=db.internal dbname=users user=tandem\"", key: "conninfo")
            return nil
        }
        let options: ConnectionOptions
        do {
            options = try ConnectionOptions(conninfo: conninfo)
        } catch {
            // The sentence quotes nothing of the string, where a password may stand.
            source.fault(
                "\(error); right is \"host=... dbname=... user=...\" or "
                    + "\"postgresql://user@host/dbname\", with PostgreSQL's keywords, and a value "
                    + "with a blank in it in single quotes", key: "conninfo")
            return nil
        }
        if options["password"] != nil, password == nil {
            source.warning(
                "the password stands in the connection string; passwordFile, or password with "
                    + "${VARIABLE}, keeps it out of this file", key: "conninfo")
        }
        var changes = ["target_session_attrs": "primary"]
        changes["password"] = password
        return try? options.overriding(changes)
    }

    private static func password(_ source: ConfigurationSource) -> String? {
        let password = source.string("password")
        guard let file = source.string("passwordFile") else { return password }
        if password != nil {
            source.fault("give either password or passwordFile", key: "passwordFile")
        }
        guard let data = FileManager.default.contents(atPath: file) else {
            source.fault("the file \(file) cannot be read", key: "passwordFile")
            return nil
        }
        // An editor ends the file with a newline, which is not part of the password. Blanks may be.
        let text = String(decoding: data, as: UTF8.self)
        let secret = String(text.prefix { !$0.isNewline })
        if secret.isEmpty {
            source.fault("the first line of \(file) is empty", key: "passwordFile")
        } else if text.dropFirst(secret.count).contains(where: { !$0.isNewline }) {
            source.fault("\(file) has more than one line", key: "passwordFile")
        }
        return secret
    }
}
