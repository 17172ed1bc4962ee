//! Disks of servers: slow, full, failing.

use storage::{DiskModel, MemDisk};
use wire::ServerId;

use super::World;

impl World {
    /// One step of every disk.
    pub(crate) fn step_disks(&mut self) {
        for node in self.nodes.values_mut() {
            if let Some(store) = &mut node.store {
                store.step();
            }
        }
        self.pump();
    }

    pub(crate) fn set_disk(&mut self, server: u16, model: DiskModel) {
        let node = self.node(ServerId(server));
        node.store.as_mut().expect("runs").set_model(model);
    }

    /// Lets a server's disk fail at a commit or a read, counted from now on.
    pub(crate) fn fail_disk(&mut self, server: u16, commit: Option<u64>, read: Option<u64>) {
        let node = self.node(ServerId(server));
        let store = node.store.as_mut().expect("runs");
        let (commits, reads) = store.counts();
        let fail_commit = commit.map(|count| commits + count);
        let fail_read = read.map(|count| reads + count);
        store.set_model(DiskModel { fail_commit, fail_read, ..DiskModel::default() });
    }

    /// What the server's disk holds durably.
    pub(crate) fn image(&self, server: u16) -> MemDisk {
        self.nodes[&ServerId(server)].store.as_ref().expect("runs").clone_disk()
    }

    /// The disk of a server that does not run is given an older image by its operator.
    pub(crate) fn put_back(&mut self, server: u16, image: &MemDisk) {
        let node = self.node(ServerId(server));
        let rolled_back = std::mem::take(&mut node.disk).rolled_back(image);
        node.disk = rolled_back.restored().expect("it holds a store");
    }

    /// A server that does not run gets a copy of a disk in the place of its own; nothing that it
    /// is checked against stands beside it.
    pub(crate) fn exchange(&mut self, server: u16, image: MemDisk) {
        self.node(ServerId(server)).disk = image;
    }

    pub(crate) fn is_up(&self, server: u16) -> bool {
        self.nodes[&ServerId(server)].core.is_some()
    }
}
