//! What the menu does with groups.

use wire::Name;

use super::Menu;
use crate::commands::{group_change_done, group_lines, group_trusted, member_lines};
use crate::core::{GroupWish, Request, Ticket};
use crate::failure::Failure;

impl Menu {
    pub(super) fn list_groups(&mut self) -> Result<(), Failure> {
        let lines = group_lines(self.shell.store(), self.style)?;
        if lines.is_empty() {
            self.printer.print("you are in no group yet");
        }
        for line in lines {
            self.printer.print(&line);
        }
        Ok(())
    }

    pub(super) fn ask_members(&mut self, group: Name) -> Result<(), Failure> {
        let ticket = self.shell.ask(Request::Roster(group))?;
        self.members = Some((ticket, group));
        Ok(())
    }

    pub(super) fn trust_group(&mut self, group: Name) -> Result<(), Failure> {
        let ticket = self.shell.ask(Request::TrustGroup(group))?;
        self.agreeing = Some((ticket, group));
        Ok(())
    }

    pub(super) fn change(&mut self, group: Name, wish: GroupWish) -> Result<(), Failure> {
        let request = Request::Group { group, wish: wish.clone() };
        let ticket = self.shell.ask(request)?;
        self.changing.insert(ticket, (group, wish));
        if self.is_in_trouble && self.dialogue.on_no_connection() {
            self.printer.print("no connection now; it is done when there is one");
        }
        Ok(())
    }

    pub(super) fn on_group_answered(
        &mut self,
        ticket: Ticket,
        result: &Result<(), Failure>,
    ) -> Result<(), Failure> {
        if let Some((group, wish)) = self.changing.remove(&ticket) {
            let leads_on = wish == GroupWish::Join(None) && self.dialogue.on_joined(group, result);
            match result {
                Err(_) if leads_on => {}
                Ok(()) => self.printer.print(&group_change_done(&group, &wish)),
                Err(failure) => {
                    let text = format!("#{group}: {}", failure.text);
                    self.printer.print(&self.style.warning(&text));
                }
            }
        }
        if self.agreeing.is_some_and(|(asked, _)| asked == ticket)
            && let Some((_, group)) = self.agreeing.take()
        {
            match result {
                Ok(()) => self.printer.print(&group_trusted(&group)),
                Err(failure) => self.printer.print(&self.style.warning(&failure.text)),
            }
        }
        match self.members {
            Some((asked, group)) if asked == ticket => {
                self.members = None;
                self.show_members(group, result)
            }
            _ => Ok(()),
        }
    }

    fn show_members(&mut self, group: Name, result: &Result<(), Failure>) -> Result<(), Failure> {
        if let Err(failure) = result {
            self.printer.print(&self.style.warning(&format!("#{group}: {}", failure.text)));
            return Ok(());
        }
        for line in member_lines(self.shell.store(), &group, self.style)? {
            self.printer.print(&line);
        }
        Ok(())
    }
}
