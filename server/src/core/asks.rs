//! What homes are asked: by seats for clients that sign in, and for sessions.

use wire::message::{
    Answer, AnswerBody, Ask, AskAs, ChangeRoster, Fault, Question, SessionQuestion,
};
use wire::roster::Statement;
use wire::{FaultCode, Kind, LogId, Name, ServerId};

use super::account::refuse;
use super::asker::SessionAsker;
use super::event::Alarm;
use super::log::{LogAsk, LogQuestion, check_key_log};
use super::parts::Parts;
use super::relay::Subject;
use super::turn::Turn;

impl Parts {
    pub(super) fn on_ask(&mut self, from: ServerId, ask: Ask, turn: &mut Turn<'_>) {
        let Ask { exchange, question } = ask;
        let (log, kind, reference) = subject(&question);
        if !self.seat.holders.is_mine(&log) {
            self.alarm_unless_moved(from, &log, turn);
            let body = AnswerBody::Fault(Fault::about(FaultCode::UNAVAILABLE, kind, reference));
            return turn.tell_server(from, Answer { exchange, body });
        }
        match question {
            Question::AskOpenLog(open) => {
                self.logs.on_open(from, exchange, &open, &mut self.log_out);
                self.drain_logs(turn);
            }
            Question::FetchBundles(fetch) => self.key_logs.on_fetch(from, exchange, &fetch, turn),
            Question::SignUpFinish(_) if self.is_disk_full => {
                let code = FaultCode::UNAVAILABLE;
                refuse(from, exchange, code, Kind::SIGN_UP_FINISH, turn);
            }
            question => self.accounts.on_question(from, exchange, question, turn),
        }
    }

    pub(super) fn on_ask_as(&mut self, from: ServerId, ask: AskAs, turn: &mut Turn<'_>) {
        let asker = SessionAsker::of(from, &ask);
        let AskAs { exchange, account, origin, epoch, question } = ask;
        let Subject { log, .. } = Subject::of(&question, account);
        if !self.seat.holders.is_mine(&log) {
            self.alarm_unless_moved(from, &log, turn);
            return asker.refuse(FaultCode::UNAVAILABLE, turn);
        }
        let question = match question {
            SessionQuestion::BeginBlob(begin) => return self.blobs.on_begin(asker, &begin, turn),
            SessionQuestion::PutChunk(put) => return self.blobs.on_put(asker, &put, turn),
            SessionQuestion::FetchChunk(fetch) => return self.blobs.on_fetch(asker, &fetch, turn),
            SessionQuestion::NoteGroup(note) => return self.notes.on_note(asker, &note, turn),
            SessionQuestion::ListGroups(_) => return self.notes.on_list(asker, turn),
            SessionQuestion::GroupStart(start) => LogQuestion::Start(start),
            SessionQuestion::ChangeRoster(change) => {
                match self.read_change(from, account, change) {
                    Ok(question) => question,
                    Err(code) => return asker.refuse(code, turn),
                }
            }
            SessionQuestion::FetchRoster(fetch) => LogQuestion::FetchRoster(fetch),
            SessionQuestion::PutGrants(put) => LogQuestion::PutGrants(put),
            SessionQuestion::FetchGrant(fetch) => LogQuestion::FetchGrant(fetch),
            SessionQuestion::FetchKeyLog(fetch) => LogQuestion::FetchKeyLog(fetch),
        };
        let ask = LogAsk { exchange, account, origin, epoch, question };
        self.logs.on_ask((turn.now, turn.wall), from, ask, &mut self.log_out);
        self.drain_logs(turn);
    }

    fn alarm_unless_moved(&self, from: ServerId, log: &LogId, turn: &mut Turn<'_>) {
        if self.seat.holders.is_unmoved(log) {
            turn.alarm(Alarm::NotHome { from });
        }
    }

    /// Decodes a statement, which must be the asking account's, and looks at its proof.
    fn read_change(
        &mut self,
        from: ServerId,
        account: Name,
        change: ChangeRoster,
    ) -> Result<LogQuestion, FaultCode> {
        let statement = Statement::decode(change.statement.bytes().clone())
            .map_err(|_| FaultCode::MALFORMED)?;
        if statement.actor != account || statement.group != change.group {
            return Err(FaultCode::MALFORMED);
        }
        check_key_log(&change.key_log)?;
        let entrance = self.group_passwords.on_statement(from, &statement, &change.proof)?;
        let statement = Box::new(statement);
        Ok(LogQuestion::Change { change, statement, entrance })
    }
}

/// The log whose home a question is for, and how its fault names it.
fn subject(question: &Question) -> (LogId, Kind, u32) {
    let mailbox = |name: Name, kind: Kind| (LogId::mailbox(name), kind, 0);
    match question {
        Question::SignUpStart(start) => mailbox(start.name, Kind::SIGN_UP_START),
        Question::SignUpFinish(finish) => mailbox(finish.name, Kind::SIGN_UP_FINISH),
        Question::SignInStart(start) => mailbox(start.name, Kind::SIGN_IN_START),
        Question::SignInFinish(finish) => mailbox(finish.name, Kind::SIGN_IN_FINISH),
        Question::Resume(resume) => mailbox(resume.name, Kind::RESUME),
        Question::FetchBundles(fetch) => {
            (LogId::mailbox(fetch.name), Kind::FETCH_BUNDLES, fetch.request.0)
        }
        Question::AskOpenLog(open) => (open.log, Kind::OPEN_LOG, open.handle.0),
    }
}
