//! Every limit of the protocol, each with its reason. What is counted is counted in bytes unless
//! the name says otherwise.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Longest name: fits a line of a terminal beside a message.
pub const NAME_LEN_MAX: usize = 32;
/// Hash slots: fine enough that 100 servers differ by a few percent, small enough to send whole.
pub const SLOTS: usize = 4096;
/// Servers in one map.
pub const SERVERS_MAX: usize = 1024;
/// Bytes of a signed map: all slots, and all servers that it may list.
pub const MAP_LEN_MAX: usize = 56 * KIB;
/// Largest post number; leaves 16 bits for flags in a packed row.
pub const NUMBER_MAX: u64 = (1 << 48) - 1;
/// Posts of one origin to one log that may be unanswered: `settled < number ≤ settled + 64`.
pub const UNANSWERED_MAX: u64 = 64;

/// Largest body of an entry. A post with its headers must fit the client frame limit.
pub const BODY_LEN_MAX: usize = 62 * KIB;
/// Largest frame before sign-in: a sign-up with RSA-4096 keys fits.
pub const EARLY_FRAME_LEN_MAX: u32 = 8 * 1024;
/// Bytes a connection may send before it has signed in.
pub const EARLY_BYTES_MAX: usize = 24 * KIB;
/// Time from connecting to being signed in.
pub const EARLY_TIME_MAX: Duration = Duration::from_secs(10);
/// Connections of one address that have not signed in yet (loopback exempt under `--local`).
pub const EARLY_PER_ADDRESS_MAX: u32 = 64;
/// Connections that have not signed in yet, in all: with 24 KiB each they hold at most 96 MiB.
pub const EARLY_TOTAL_MAX: u32 = 4096;
/// Largest frame on a client connection after sign-in: a chunk of a blob fits.
pub const CLIENT_FRAME_LEN_MAX: u32 = 128 * 1024;
/// Largest frame on a peer link: one range reply.
pub const PEER_FRAME_LEN_MAX: u32 = 512 * 1024;
/// Largest frame on a router connection: the directory of all servers.
pub const ROUTER_FRAME_LEN_MAX: u32 = 128 * 1024;

/// Bytes of entries in one range reply.
pub const RANGE_LEN_MAX: usize = 256 * KIB;
/// Entries in one range reply.
pub const RANGE_ENTRIES_MAX: usize = 1024;
/// Entries sent to a session and not yet seen.
pub const UNSEEN_ENTRIES_MAX: usize = 64;
/// Bytes of entries sent to a session and not yet seen.
pub const UNSEEN_BYTES_MAX: usize = 256 * KIB;
/// The same, while the sessions of a server have not seen too much in all.
pub const UNSEEN_BYTES_SCARCE: usize = 16 * KIB;
/// Logs that one session may hold open.
pub const HANDLES_MAX: usize = 1024;
/// Requests of one session that may be unanswered.
pub const REQUESTS_MAX: usize = 64;

/// A client's write queue above this makes its session behind and stops the reading of its socket.
pub const CLIENT_WRITE_HIGH: usize = 256 * KIB;
/// A client's write queue above this closes it as a slow reader: the log has what it missed.
pub const CLIENT_WRITE_HARD: usize = MIB;
/// A peer link's write queue above this makes its sessions behind; the link is always read.
pub const PEER_WRITE_HIGH: usize = 8 * MIB;
/// A peer link's write queue above this cuts the link: the peer has been gone for a while.
pub const PEER_WRITE_HARD: usize = 64 * MIB;

/// Entries of a log kept in memory for readers that join.
pub const TAIL_LEN_MAX: usize = MIB;
/// Posts that may wait at the home for a log's cold state.
pub const COLD_WAITING_MAX: usize = 1024;
/// Entries in one storage batch.
pub const BATCH_ENTRIES_MAX: usize = 4096;
/// Bytes of entries in one storage batch.
pub const BATCH_LEN_MAX: usize = 8 * MIB;

/// Room that a store's disk keeps free: below it posts and sign-ups are refused, so that cursors
/// and truncation, which make room, never fail for lack of it.
pub const DISK_FREE_MIN: u64 = 512 * 1024 * 1024;

/// Room that must be left for chunks of blobs to be taken: attachments stop before posts do.
pub const BLOBS_DISK_FREE_MIN: u64 = 2 * DISK_FREE_MIN;

/// Entries in one mailbox.
pub const MAILBOX_ENTRIES_MAX: u64 = 10_000;
/// Bytes in one mailbox.
pub const MAILBOX_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Entries of one sender in another's mailbox.
pub const SENDER_ENTRIES_MAX: u64 = 1_000;
/// Bytes of one sender in another's mailbox.
pub const SENDER_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Entries of one sender in another's mailbox, until its owner has answered once.
pub const STRANGER_ENTRIES_MAX: u64 = 20;
/// People whom an account has answered, as its mailbox remembers them; the one that was answered
/// first is forgotten, and a stranger again.
pub const ANSWERED_MAX: usize = 1024;
/// Origins remembered for one account; the oldest is replaced.
pub const ORIGINS_MAX: usize = 16;

/// Posts per second that a session may sustain.
pub const POSTS_PER_SECOND: u32 = 20;
/// Posts that a session may send at once after a pause.
pub const POSTS_BURST: u32 = 100;

/// Password guesses for one account: a burst, then one per [`GUESS_INTERVAL`].
pub const GUESSES_BURST: u32 = 10;
/// Time that gives one guess back.
pub const GUESS_INTERVAL: Duration = Duration::from_secs(30);

/// How long a probe of another session's seat may take before silence means detached.
pub const PROBE_TIME_MAX: Duration = Duration::from_secs(3);
/// So long after it last heard from a seat that it cannot reach, a home counts the sessions there
/// as detached.
pub const LEASE_TIME: Duration = Duration::from_secs(11);
/// A seat acts for the sessions of a home so long after it sent the last ping that the home has
/// answered: what is left of [`LEASE_TIME`] is for clocks that do not run alike.
pub const SEAT_LEASE_TIME: Duration = Duration::from_secs(9);
/// A connection idle for this long is pinged.
pub const PING_AFTER: Duration = Duration::from_secs(30);
/// Time for the answer to a ping; two misses end the connection.
pub const PONG_TIME_MAX: Duration = Duration::from_secs(10);
/// A seat's reservation lapses after this.
pub const RESERVATION_TIME: Duration = Duration::from_secs(30);
/// A server silent for this long is not placed on.
pub const REPORT_SILENCE_MAX: Duration = Duration::from_secs(3);
/// How often a server reports its load.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How often each side of a peer link pings the other.
pub const PEER_PING_INTERVAL: Duration = Duration::from_secs(2);
/// A peer link without a frame for this long is lost: its seat hears of it before its lease ends.
pub const PEER_SILENCE_MAX: Duration = Duration::from_secs(7);
/// Pause before a link is dialed again, doubled after each failure, with jitter.
pub const REDIAL_MIN: Duration = Duration::from_millis(50);
/// Longest pause before a link is dialed again.
pub const REDIAL_MAX: Duration = Duration::from_secs(2);
/// Shortest time between two load reports: sessions that come and go are reported together.
pub const REPORT_GAP: Duration = Duration::from_millis(100);
/// Pause before a range that could not be read is asked for again.
pub const REREAD_PAUSE: Duration = Duration::from_millis(250);
/// How long a home may take to answer a seat's question before the client hears `unavailable`.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(8);
/// Questions of one seat that may wait for their homes: more than its early connections can ask.
pub const EXCHANGES_MAX: usize = 65_536;
/// Sign-ins that were begun at one home and not finished; each holds an OPAQUE state.
pub const LOGINS_MAX: usize = 4096;
/// Accounts whose recent password guesses one home remembers.
pub const GUESSED_ACCOUNTS_MAX: usize = 65_536;
/// How long a group's password may take from its challenge to its proof, with every try again
/// because another statement came first.
pub const JOIN_TIME_MAX: Duration = Duration::from_secs(30);
/// Joins with a password that one account may have under way at one home; its oldest makes room.
pub const JOINS_PER_ACCOUNT_MAX: usize = 8;
/// Joins with a password that may be under way at one group: no crowd at one keeps others out.
pub const JOINS_PER_GROUP_MAX: usize = 512;
/// Joinings of one account to one group: a burst, then one per [`JOIN_INTERVAL`]. Who joins and
/// leaves again and again uses up the group's history of [`ROSTER_VERSION_MAX`] statements.
pub const JOINS_BURST: u32 = 5;
/// Time that gives one joining back: an account alone needs seven months for such a history.
pub const JOIN_INTERVAL: Duration = Duration::from_secs(600);
/// How long an entry waits for its reader's `Seen` before it is written.
pub const SEEN_WAIT: Duration = Duration::from_millis(5);
/// Entries of one home that may wait so at once.
pub const HELD_ENTRIES_MAX: usize = 64 * 1024;
/// How often a home looks for entries of groups that have expired.
pub const EXPIRY_INTERVAL: Duration = Duration::from_secs(600);
/// Operations that may wait for one account: an installation has one, an attacker many.
pub const ACCOUNT_WAITING_MAX: usize = 16;
/// Key logs that one home may be reading for clients at once.
pub const BUNDLE_READS_MAX: usize = 4096;
/// Session epochs reserved by one synced write.
pub const EPOCH_BLOCK: u64 = 1_000;
/// Session epochs that go with one store epoch of an account's home. An account may have more
/// sessions in one; a restore skips thousands of store epochs.
pub const SESSIONS_PER_STORE_EPOCH: u64 = 1 << 20;

/// Largest signed bundle of public keys.
pub const BUNDLE_LEN_MAX: usize = 4 * KIB;
/// Largest sealed copy of an account's private keys.
pub const SEALED_KEYS_LEN_MAX: usize = 6 * KIB;
/// Largest OPAQUE message of RFC 9807 with ristretto255 and SHA-512: KE2 has 320 bytes.
pub const OPAQUE_LEN_MAX: usize = 512;
/// Bundles in one answer, and in the copy of a key log that a log's home keeps.
pub const BUNDLES_MAX: usize = 12;
/// Bytes of all bundles in such a copy, which stays as long as its log: a year of monthly changes
/// of RSA-3072 keys.
pub const KEY_LOG_LEN_MAX: usize = 16 * KIB;
/// Members of one group: grants for all of them fit a few frames, and one seat can fan out.
pub const GROUP_MEMBERS_MAX: usize = 1024;
/// Invitations of one group that were not taken up; the oldest is forgotten.
pub const INVITED_MAX: usize = 1024;
/// Removed accounts that one group remembers; the oldest is forgotten.
pub const REMOVED_MAX: usize = 4096;
/// Accounts that have departed from one group and have still to read what was before; the one that
/// departed first is forgotten. As many as members: everybody may go at once.
pub const DEPARTED_MAX: usize = 1024;
/// Statements of one roster: its history is kept whole, because every member verifies it.
pub const ROSTER_VERSION_MAX: u32 = 65_535;
/// The last statements of a roster, kept for departures: every member can go, the group can end.
pub const ROSTER_RESERVE: u32 = 4096;
/// Largest signed statement.
pub const STATEMENT_LEN_MAX: usize = KIB;
/// Statements in one answer.
pub const STATEMENTS_MAX: usize = 48;
/// Entries in one group; above it the oldest expire.
pub const GROUP_ENTRIES_MAX: u64 = 262_144;
/// Bytes in one group; above it the oldest entries expire.
pub const GROUP_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// How long a group keeps an entry for members who have not received it.
pub const GROUP_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);
/// Groups of one account: each takes a handle of its session.
pub const GROUPS_MAX: usize = 512;

/// Largest announcement of a message session.
pub const ANNOUNCEMENT_LEN_MAX: usize = 2 * KIB;
/// Largest wrapped secret: one RSA-4096 block.
pub const WRAPPED_LEN_MAX: usize = 512;
/// Readers' grants in one frame.
pub const GRANTS_MAX: usize = 96;
/// Message sessions of one sender's installation in one log that wait for their first post.
pub const MESSAGE_SESSIONS_MAX: usize = 4;
/// Message sessions of one sender's installation in one log that ended, while entries need them,
/// for which grants are still taken: readers ask late. Older ones keep the grants they have.
pub const ENDED_SESSIONS_MAX: usize = 16;
/// Message sessions that a row knows: ended ones, the one in use, those that wait.
pub const GRANTED_SESSIONS_MAX: usize = ENDED_SESSIONS_MAX + 1 + MESSAGE_SESSIONS_MAX;
/// Parts of one message session in a group: its beginning, and one for each time that members join
/// while it is in use. In a mailbox it has one.
pub const GRANT_PARTS_MAX: u16 = 1024;
/// Bytes of grants of one sender in one log: with it a mailbox takes more message sessions than it
/// takes entries of that sender, at a hundred each.
pub const GRANTS_LEN_MAX: u64 = 1024 * 1024;
/// So many more for each member of a group: a hundred message sessions wait for who was away.
pub const GRANTS_LEN_PER_MEMBER: u64 = 64 * 1024;
/// How long a message session may wait for its first post before its grants are deleted.
pub const GRANTS_REST_MAX: Duration = Duration::from_secs(24 * 3600);
/// After this long a message session in use is one of an installation that is gone: clients end
/// them after seven days. Its grants are deleted when no entry needs them.
pub const GRANTS_USE_MAX: Duration = Duration::from_secs(8 * 24 * 3600);
/// How often a home looks for grants that nobody needs.
pub const GRANTS_SWEEP_INTERVAL: Duration = Duration::from_secs(6 * 3600);
/// Rows that one step of that looks at, and the pause before the next: it goes on beside the posts.
pub const GRANTS_SWEEP_PAGE: usize = 256;
/// See [`GRANTS_SWEEP_PAGE`].
pub const GRANTS_SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// Largest chunk of a blob: 64 KiB of content, its tag, and the first one's nonce.
pub const CHUNK_LEN_MAX: usize = 64 * KIB + 16 + 16;
/// Largest blob, as ciphertext: 25 MiB of content.
pub const BLOB_LEN_MAX: u64 = 25 * 1024 * 1024 + 400 * 16 + 16;
/// Bytes of blobs that one account may hold.
pub const BLOB_QUOTA: u64 = 1024 * 1024 * 1024;
/// Blobs that one account may hold.
pub const BLOBS_MAX: usize = 4096;
/// How long a blob is kept.
pub const BLOB_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long an upload may rest before its chunks are deleted.
pub const UPLOAD_REST_MAX: Duration = Duration::from_secs(24 * 3600);
/// Questions about blobs of one session that may be unanswered: each may bring a whole chunk.
pub const CHUNKS_MAX: usize = 4;
/// Bytes of chunks that wait for one home's batches.
pub const CHUNKS_PENDING_MAX: usize = 16 * MIB;
/// Bytes of chunks in one storage batch: posts that share it hardly wait for them.
pub const CHUNKS_BATCH_LEN_MAX: usize = MIB;
/// Questions about chunks that one seat may have unanswered at one home: 8 MiB on their link.
pub const PEER_CHUNKS_MAX: usize = 128;
/// Chunks that one home may be reading for clients at once.
pub const CHUNK_READS_MAX: usize = 256;
/// Accounts whose blobs one home may be reading at once; others wait for their turn.
pub const BLOB_LOADS_MAX: usize = 16;
/// Questions that may wait for accounts' blobs to be read.
pub const BLOB_WAITING_MAX: usize = 1024;
/// Records of blobs that one home remembers of accounts that upload nothing just now.
pub const BLOB_RECORDS_MAX: usize = 131_072;
/// How often a home looks for blobs whose time is over.
pub const BLOB_SWEEP_INTERVAL: Duration = Duration::from_secs(3600);
/// Records of blobs that one step of that looks at.
pub const BLOB_SWEEP_PAGE: usize = 256;
/// Accounts whose notes of groups one home may be reading or writing at once.
pub const NOTES_MAX: usize = 4096;

/// Bytes of rows in one frame of a slot that moves: a page is read in milliseconds.
pub const SLOT_PAGE_LEN_MAX: usize = 256 * KIB;
/// Rows in one such frame; each counts 64 bytes beside its own.
pub const MOVED_ROWS_MAX: usize = SLOT_PAGE_LEN_MAX / 64;
/// Longest key of a row: a grant's, with three names.
pub const MOVED_KEY_LEN_MAX: usize = 1 + 3 * (1 + NAME_LEN_MAX) + 16 + 4;
/// Bytes that are written of a slot while it is copied and that the next holder has not taken. More
/// than that: the copy is begun anew, later.
pub const MOVE_WAITING_MAX: usize = 32 * MIB;
/// Slots that one server takes from others at once; it gives one at a time.
pub const SLOTS_TAKEN_MAX: usize = 8;
/// How long a slot may stand still until it has moved; after that its holder serves it again.
pub const FREEZE_TIME_MAX: Duration = Duration::from_millis(400);
/// Pause between two pages of a slot that is copied: others' reads and batches come first.
pub const MOVE_PAUSE: Duration = Duration::from_millis(5);
/// How long a holder waits for the next word of who takes a slot.
pub const MOVE_SILENCE_MAX: Duration = Duration::from_secs(10);
/// Pause before a move that came to nothing is tried again; doubled each time, up to 32 times.
pub const MOVE_RETRY: Duration = Duration::from_secs(2);

/// Longest text of a fault.
pub const FAULT_TEXT_MAX: usize = 256;
/// Redeemed reservations in one load report.
pub const REDEEMED_MAX: usize = 1024;

const _: () =
    assert!(PEER_SILENCE_MAX.as_secs() + PEER_PING_INTERVAL.as_secs() <= SEAT_LEASE_TIME.as_secs());
const _: () = assert!(10 * SEAT_LEASE_TIME.as_secs() <= 9 * LEASE_TIME.as_secs());
const _: () = assert!(2 * PROBE_TIME_MAX.as_secs() < ANSWER_TIME_MAX.as_secs());
const _: () = assert!(ANSWER_TIME_MAX.as_secs() < EARLY_TIME_MAX.as_secs());
const POST_HEADER_LEN: usize = 256;
const _: () = assert!(BODY_LEN_MAX + POST_HEADER_LEN <= 64 * KIB);
const _: () =
    assert!(CLIENT_WRITE_HIGH >= 4 * 64 * KIB && CLIENT_WRITE_HARD >= 2 * CLIENT_WRITE_HIGH);
const _: () = assert!(PEER_WRITE_HIGH >= 4 * 512 * KIB && PEER_WRITE_HARD >= 2 * PEER_WRITE_HIGH);
const _: () = assert!(RANGE_LEN_MAX + BODY_LEN_MAX + RANGE_ENTRIES_MAX * 128 <= 512 * KIB);
const _: () = assert!(BUNDLE_LEN_MAX * BUNDLES_MAX < 64 * KIB);
const _: () = assert!(SLOTS.is_power_of_two());
const _: () = assert!(CHUNK_LEN_MAX + 256 <= 128 * KIB);
const _: () = assert!(STATEMENTS_MAX * (STATEMENT_LEN_MAX + 4) < 64 * KIB);
const _: () = assert!(GRANTS_MAX * (NAME_LEN_MAX + 1 + 32 + 4 + WRAPPED_LEN_MAX) < 60 * KIB);
const _: () =
    assert!(60 * KIB + ANNOUNCEMENT_LEN_MAX + BUNDLES_MAX * (BUNDLE_LEN_MAX + 4) < 127 * KIB);
const _: () = assert!(GROUPS_MAX + 2 < HANDLES_MAX);
const _: () = assert!(JOINS_PER_GROUP_MAX <= LOGINS_MAX / 4);
const _: () = assert!(2 * PEER_CHUNKS_MAX * CHUNK_LEN_MAX <= PEER_WRITE_HARD / 2);
const _: () = assert!(SLOT_PAGE_LEN_MAX + MOVED_ROWS_MAX * 64 <= 512 * KIB);
const _: () =
    assert!((GROUP_MEMBERS_MAX + INVITED_MAX + REMOVED_MAX) * 37 + 2 * KIB <= SLOT_PAGE_LEN_MAX);
const _: () = assert!(SLOTS * 9 + 16 <= 512 * KIB);
const _: () = assert!(CHUNKS_MAX * CHUNK_LEN_MAX <= CLIENT_WRITE_HIGH + 4 * 32);
