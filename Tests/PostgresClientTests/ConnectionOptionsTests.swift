import PostgresClient
import Testing

@Suite
struct ConnectionOptionsTests {
    @Test func readsBothFormsOfConnectionString() throws {
        for conninfo in [
            "host=db port=5433 user=ada dbname=users password='a b'",
            "postgresql://ada:a%20b@db:5433/users",
        ] {
            let options = try ConnectionOptions(conninfo: conninfo)
            #expect(options["host"] == "db")
            #expect(options["port"] == "5433")
            #expect(options["user"] == "ada")
            #expect(options["dbname"] == "users")
            #expect(options["password"] == "a b")
        }
    }

    @Test(arguments: [
        "host=a,b,c port=5432,,5433", "port='' sslmode=verify-full connect_timeout=-1",
    ])
    func acceptsUsableConnectionString(_ conninfo: String) throws {
        _ = try ConnectionOptions(conninfo: conninfo)
    }

    @Test func appliesOverridesBeforeStringBeforeDefaults() throws {
        let options = try ConnectionOptions(
            conninfo: "host=db keepalives_idle=99", overriding: ["host": "other", "user": "eve"])
        #expect(options["host"] == "other")
        #expect(options["user"] == "eve")
        #expect(options["keepalives_idle"] == "99")
        #expect(options["keepalives_count"] == "3")
        #expect(options["gssencmode"] == "disable")
        #expect(options["client_encoding"] == "UTF8")
    }

    @Test(arguments: [
        "nonsense", "host=db nonsense=1", "postgresql://[", "host='open", "service=somewhere",
        "host=db\u{0}x", "postgresql://h/%zz", "postgresql://h:port/x", "port=0", "port=65536",
        "host=a,b port=1,x", "sslmode=verify", "sslmode=''", "channel_binding=yes",
        "gssencmode=off", "connect_timeout=soon", "keepalives_idle=5s",
    ])
    func refusesMalformedConnectionString(_ conninfo: String) {
        let error = #expect(throws: PostgresError.self) {
            _ = try ConnectionOptions(conninfo: conninfo)
        }
        guard case .invalidConninfo = error else { return #expect(error == nil) }
    }

    @Test func appendsToServerOptions() throws {
        let options = try ConnectionOptions(conninfo: "options='-c a.b=1' user=ada")
            .overriding(["options": "-c lock_timeout=5", "user": "eve"])
        #expect(options["options"] == "-c a.b=1 -c lock_timeout=5")
        #expect(options["user"] == "eve")
        #expect(throws: PostgresError.self) { _ = try options.overriding(["hots": "db"]) }
        #expect(throws: PostgresError.self) { _ = try options.overriding(["service": "s"]) }
    }

    @Test func refusesUnknownOverride() {
        #expect(throws: PostgresError.self) {
            _ = try ConnectionOptions(conninfo: "", overriding: ["hots": "db"])
        }
    }

    @Test(arguments: [
        "host=db password=open sesame", "password='open sesame", "postgresql://u:open%zzsesame@h/",
        "password=open sesame=1", "postgresql://u:open@h:sesame@h/x", "port=sesame",
    ])
    func neverQuotesPartOfPasswordInError(_ conninfo: String) {
        let error = #expect(throws: PostgresError.self) {
            _ = try ConnectionOptions(conninfo: conninfo)
        }
        #expect(!String(reflecting: error).contains("sesame"))
    }

    @Test func neverShowsPassword() throws {
        let options = try ConnectionOptions(conninfo: "host=db user=ada password=sesame")
        var dumped = ""
        dump(options, to: &dumped)
        for text in ["\(options)", String(reflecting: options), "\([options])", dumped] {
            #expect(!text.contains("sesame"))
            #expect(text.contains("ada"))
        }
    }
}
