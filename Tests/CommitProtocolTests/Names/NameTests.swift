import CommitProtocol
import Testing

/// Ids and names of prepared transactions have one spelling each.
@Suite struct NameTests {
    static let installation = "0f8fad5b-d9cb-469f-a165-70867728950e"

    @Test(arguments: [
        GlobalTransactionID(number: 1, salt: 0), GlobalTransactionID(number: 7, salt: 0xfeed),
        GlobalTransactionID(number: .max, salt: .max),
    ])
    func idRoundTrips(_ id: GlobalTransactionID) {
        #expect(GlobalTransactionID(id.description) == id)
    }

    @Test func saltHasSixteenDigits() {
        #expect(someTransaction.description == "7-000000000000feed")
    }

    @Test(arguments: [
        "", "7", "-", "7-", "-000000000000feed", "0-000000000000feed", "-7-000000000000feed",
        "+7-000000000000feed", "07-000000000000feed", "7-feed", "7-000000000000FEED",
        "7-00000000000000feed", "7-+00000000000feed", " 7-000000000000feed",
        "7-000000000000feed ", "7-000000000000feed-1", "9223372036854775808-000000000000feed",
        "７-000000000000feed", "7-000000000000fee\u{301}d",
    ])
    func rejectsOtherSpellingsOfId(_ text: String) {
        #expect(GlobalTransactionID(text) == nil)
    }

    @Test func idsSortByAge() {
        let old = GlobalTransactionID(number: 9, salt: .max)
        #expect(old < GlobalTransactionID(number: 10, salt: 0))
        #expect(GlobalTransactionID(number: 9, salt: 1) < old)
    }

    @Test(arguments: [0, 1, 41])
    func recognizesOwnName(_ branch: Int) {
        let name = PreparedTransactionName(
            installation: Self.installation, transaction: someTransaction, branch: branch)
        #expect(name.description.utf8.count < 100)
        #expect(
            PreparedTransactionName.ownership(
                of: name.description, installation: Self.installation)
                == .ours(someTransaction, branch: branch))
        #expect(PreparedTransactionName(stored: name.description) == name)
    }

    @Test(arguments: [
        "", "tandem", "other:I:7-000000000000feed:0", "tandem:J:7-000000000000feed:0",
        "Tandem:I:7-000000000000feed:0", "tandem:I:7-000000000000feed", "tandem:I:7-feed:0",
        "tandem:I:7-000000000000feed:", "tandem:I:7-000000000000feed:-1",
        "tandem:I:7-000000000000feed:+1", "tandem:I:7-000000000000feed:01",
        "tandem:I:7-000000000000feed:0:", "tandem:I:7-000000000000feed:0 ",
        "tandem:i:7-000000000000feed:0", "tandem-logless:I:7-000000000000feed:0",
        "tandem:I:7-000000000000feed\u{301}:0", "tandem::7-000000000000feed:0",
    ])
    func treatsOtherNamesAsForeign(_ text: String) {
        #expect(PreparedTransactionName.ownership(of: text, installation: "I") == .foreign)
    }
}
