//! The client's durable state: SQLite with full sync, secrets and texts sealed by the vault.
//!
//! Interface that is being written here (replaced part by part). All synchronous, `Result<_, StoreError>`:
//! ```text
//! DataDirectory::open(root: &Path) (makes it, 0700); default_for(&Name) -> Result<PathBuf>; .socket_path(); .try_lock() -> Option<ConnectionLock>; .lock_showing() -> ShowLock
//! Store::open(&DataDirectory) -> Store
//! account: account() -> Option<Account { name, origin, bundle: Bytes, pending_sign_up: Option<Bytes>, session: Option<Session { epoch, token }> }>   (no key work)
//!          identity() -> Option<Identity>  (loads the keys)
//!          save_sign_up(&name, origin, &identity, bundle, frame: &[u8]); save_sign_in(&name, origin, &identity, bundle, &Session); save_session(&Session) (also ends a pending sign-up; rotates)
//!          clear_sign_up(); sign_out(); begin_origin(Origin) (unanswered posts become Conflict)
//! outbox:  add_draft(log, text, Wall) -> OutboxId(i64); drafts(limit) -> Vec<Draft { id, log, text, created }>; chain(log) -> Chain { next: Number, settled: Number, previous: [u8; 32] }
//!          seal_draft(id, log, number, body: &Bytes, hash: [u8; 32]); sealed(log) -> Vec<SealedPost { id, number, body }>; busy_logs() -> Vec<LogId>
//!          settle(log, upto, seq) ; reject(log, number, FaultCode); post(id) -> Option<PostRecord { id, log, text, number, state: PostState }>; redraft(id); discard(id)
//!          PostState = Draft | Sealed | Accepted { seq: Option<Seq> } | Rejected(FaultCode) | Refused(reason: String: never sent) | Conflict
//! inbox:   receive(log, &[Received { seq, sender, origin, number, at, hash, content: ReceivedContent }], cursor: Seq) -> Vec<InboxId> (new ones; doubles are skipped)
//!          ReceivedContent = Text { text, sent, previous, verified: bool } | Unknown { kind, .. } | Undecryptable { reason }
//!          unshown(limit) -> Vec<InboxMessage>; mark_shown(&[InboxId]); cursor(log) -> Seq
//! contacts: contact(&name) -> Option<Contact { name, pinned: KeyId, bundles: Vec<Bytes>, trust: Trust }>; contacts(); pin(&name, &KeyLog); extend(&name, &KeyLog);
//!          mark_changed(&name, &KeyLog); accept_change(&name); mark_verified(&name).   Trust = Pinned | Verified | Changed
//! ```
