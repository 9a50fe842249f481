import PostgresClient
import Testing

@Suite("What a connection string may have, by who writes it")
struct ConninfoPolicyTests {
    /// The complaint; nil if the string is accepted.
    private func complaint(
        _ conninfo: String, _ policy: ConninfoPolicy = .configuration
    ) -> String? {
        do {
            _ = try ConnectionOptions(conninfo: conninfo, allowing: policy)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: [
        "host=db hostaddr=10.0.0.1 port=5432 dbname=d user=u password=p passfile=/x",
        "sslmode=verify-full sslrootcert=/x sslcert=/x sslkey=/x sslpassword=x sslcrl=/x sslsni=1",
        "options='-c a.b=1' application_name=a connect_timeout=3 keepalives=1 tcp_user_timeout=1",
        "channel_binding=require gssencmode=disable krbsrvname=x requirepeer=x",
        "host=/run/postgresql", "postgresql://u:p@h:5432/d?sslmode=require", "",
    ])
    func `an operator may write what a connection can use`(_ conninfo: String) {
        #expect(complaint(conninfo) == nil)
    }

    @Test(arguments: [
        "service=s host=sesame": "service", "replication=database password=sesame": "replication",
        "postgresql://u:sesame@h/d?replication=true": "replication",
    ])
    func `an operator may not write what would break tandem`(_ conninfo: String, keyword: String) {
        let text = complaint(conninfo)
        #expect(text?.contains("\"\(keyword)\" is not allowed") == true)
        #expect(text?.contains("allowed are host, port, dbname") == true)
        #expect(text?.contains("sesame") == false)
    }

    private static let strict = ConninfoPolicy.caller(hosts: ["db.internal", "10.0.0.1"])

    @Test(arguments: [
        "host=db.internal port=5432 dbname=d user=u password=p sslmode=require",
        "host=DB.Internal,10.0.0.1 dbname=d", "postgresql://u:p@db.internal/d?connect_timeout=3",
    ])
    func `a caller may name databases on allowed hosts`(_ conninfo: String) {
        #expect(complaint(conninfo, Self.strict) == nil)
    }

    /// Each would read a file, reach a socket or a host, or set a session up.
    @Test(arguments: [
        "dbname=d", "host='' dbname=d", "host=db.internal, dbname=d", "host=/run/postgresql",
        "host=@abstract", "host=169.254.169.254", "host=db.internal.evil", "host=db.internal,evil",
        "host='db.internal '", "hostaddr=10.0.0.1", "host=db.internal hostaddr=127.0.0.1",
        "host=db.internal passfile=/etc/passwd", "host=db.internal sslkey=/x",
        "host=db.internal sslcert=/x", "host=db.internal sslrootcert=/x",
        "host=db.internal sslcrl=/x", "host=db.internal sslcrldir=/x",
        "host=db.internal options='-c role=postgres'", "host=db.internal service=s",
        "host=db.internal requirepeer=root", "host=db.internal krbsrvname=x",
        "host=db.internal target_session_attrs=any", "host=db.internal replication=true",
        "postgresql://u:p@%2Frun%2Fpostgresql/d", "postgresql:///d?host=/run",
        "postgresql://u@db.internal/d?passfile=/x",
    ])
    func `a caller may name nothing else`(_ conninfo: String) {
        #expect(complaint(conninfo, Self.strict)?.contains("is not allowed") == true)
    }

    @Test func `what a caller may not write, tandem may still set`() throws {
        let options = try ConnectionOptions(
            conninfo: "host=db.internal", allowing: Self.strict,
            overriding: ["options": "-c a.b=1"])
        #expect(options["options"] == "-c a.b=1")
    }
}
