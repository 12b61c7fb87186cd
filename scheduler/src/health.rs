//! What events about the host and the devices change: capacity, breakers, learned caps.

use crate::breaker::Breaker;
use crate::choice::{Ability, Device, DeviceId};
use crate::event::Action;
use crate::pool::LeaseId;
use crate::scheduler::{Scheduler, Timer};
use crate::vector::{Dimension, Vector};

impl Scheduler {
    pub(crate) fn host_changed(&mut self, capacity: Vector, now: u64, actions: &mut Vec<Action>) {
        self.pool.set_host(capacity);
        self.reckon_shares();
        self.board.room_on_host(&self.pool);
        self.look_again(now, actions);
    }

    /// A device is there. One that was gone before lets its set-aside abilities prove themselves at once.
    pub(crate) fn device_up(&mut self, device: Device, now: u64, actions: &mut Vec<Action>) {
        let (slot, returned) = self.pool.fleet.set(device);
        if let Some(device) = self.pool.fleet.slot_mut(slot).filter(|_| returned) {
            for (ability, breaker) in &mut device.breakers {
                breaker.came_back(now);
                self.timers.extend(breaker.due_ms().map(|at| (at, Timer::Breaker(slot, *ability))));
            }
        }
        self.reckon_shares();
        self.board.room_on(slot, &self.pool);
        self.look_again(now, actions);
    }

    pub(crate) fn device_down(&mut self, device: DeviceId, now: u64, actions: &mut Vec<Action>) {
        let Some(slot) = self.pool.fleet.by_id.get(&device).copied() else { return };
        if self.pool.fleet.slot(slot).is_none_or(|device| !device.up) {
            return;
        }
        self.pool.fleet.take_down(slot, now);
        self.timers.insert((now.saturating_add(self.policy.absent_grace_ms), Timer::Absent));
        self.reckon_shares();
        // Nobody waits for it any more who had another choice.
        self.board.room_on(slot, &self.pool);
        self.look_again(now, actions);
    }

    /// A driver refused one more: less is taken from now on, and slowly more again.
    pub(crate) fn refused(&mut self, dimension: &Dimension, device: Option<DeviceId>, now: u64) {
        let next = now.saturating_add(self.policy.cap_probe_ms.max(1));
        let slot = match device {
            None => {
                let Some(id) = self.pool.dimensions.find(dimension) else { return };
                if self.pool.host.capacity_of(id) > 0 {
                    self.pool.host.learn(id, dimension, next);
                    self.timers.insert((next, Timer::Cap(None, id)));
                }
                return;
            }
            Some(device) => self.pool.fleet.by_id.get(&device).copied(),
        };
        let (Some(slot), Some(id)) = (slot, self.pool.fleet.dimensions.find(dimension)) else { return };
        if let Some(device) = self.pool.fleet.slot_mut(slot).filter(|device| device.share.capacity_of(id) > 0) {
            device.share.learn(id, dimension, next);
            self.timers.insert((next, Timer::Cap(Some(slot), id)));
            self.pool.fleet.refresh(slot);
        }
    }

    /// A cap is raised by one step: what others held may be free by now.
    pub(crate) fn cap_due(&mut self, slot: Option<u32>, id: u32, now: u64) {
        let every = self.policy.cap_probe_ms.max(1);
        let Some(slot) = slot else {
            let Some(dimension) = self.pool.dimensions.name(id).cloned() else { return };
            if let Some(next) = self.pool.host.raise(id, &dimension, now, every) {
                self.timers.extend(next.map(|next| (next, Timer::Cap(None, id))));
                self.board.room_on_host(&self.pool);
            }
            return;
        };
        let Some(dimension) = self.pool.fleet.dimensions.name(id).cloned() else { return };
        let Some(device) = self.pool.fleet.slot_mut(slot) else { return };
        if let Some(next) = device.share.raise(id, &dimension, now, every) {
            self.timers.extend(next.map(|next| (next, Timer::Cap(Some(slot), id))));
            self.pool.fleet.refresh(slot);
            self.board.room_on(slot, &self.pool);
        }
    }

    /// A span failed, and something of its device is to blame.
    pub(crate) fn blame(&mut self, lease: LeaseId, ability: &Ability, now: u64, actions: &mut Vec<Action>) {
        let Some(slot) = self.pool.lease(lease).and_then(|lease| lease.slot) else { return };
        let id = self.pool.fleet.abilities.id(ability);
        self.pool.failed(lease, id);
        let Some(device) = self.pool.fleet.slot_mut(slot) else { return };
        let breaker = device.breakers.entry(id).or_insert_with(Breaker::new);
        let was_closed = breaker.is_closed();
        breaker.failed(now, &self.policy);
        if was_closed && !breaker.is_closed() {
            self.timers.extend(breaker.due_ms().map(|at| (at, Timer::Breaker(slot, id))));
            device.aside.push(id);
            self.look_again(now, actions);
        }
    }

    /// A span is done; its device has proved itself in what it was relied on for, but for what failed meanwhile.
    pub(crate) fn went_well(&mut self, lease: LeaseId) {
        let Some(lease) = self.pool.lease(lease) else { return };
        let Some(Some(device)) = lease.slot.and_then(|slot| self.pool.fleet.slots.get(slot as usize)) else { return };
        if device.breakers.is_empty() {
            return;
        }
        let (slot, way, failed) = (lease.slot, std::sync::Arc::clone(&lease.way), lease.failed.clone());
        let Some(device) = slot.and_then(|slot| self.pool.fleet.slot_mut(slot)) else { return };
        for ability in way.abilities.iter().filter(|ability| !failed.contains(ability)) {
            if let Some(breaker) = device.breakers.get_mut(ability) {
                breaker.went_well(&self.policy);
            }
        }
    }

    /// The time has come to let an ability prove itself, or no answer came.
    pub(crate) fn breaker_due(&mut self, slot: u32, id: u32, now: u64, actions: &mut Vec<Action>) {
        // One that is gone is asked when it comes back.
        let Some(device) = self.pool.fleet.slot_mut(slot).filter(|device| device.up) else { return };
        let Some(breaker) = device.breakers.get_mut(&id) else { return };
        if breaker.due_ms().is_none_or(|at| at > now) {
            return;
        }
        let asks = breaker.wake(now, &self.policy);
        self.timers.extend(breaker.due_ms().map(|at| (at, Timer::Breaker(slot, id))));
        let device = device.device.id;
        if let Some(ability) = self.pool.fleet.abilities.name(id).cloned().filter(|_| asks) {
            actions.push(Action::Probe { device, ability });
        }
    }

    /// A device was tried: it is in use again, or set aside for longer.
    pub(crate) fn probed(
        &mut self,
        device: DeviceId,
        ability: &Ability,
        sound: bool,
        now: u64,
        actions: &mut Vec<Action>,
    ) {
        let Some(slot) = self.pool.fleet.by_id.get(&device).copied() else { return };
        let Some(id) = self.pool.fleet.abilities.find(ability) else { return };
        let Some(device) = self.pool.fleet.slot_mut(slot) else { return };
        let Some(breaker) = device.breakers.get_mut(&id) else { return };
        breaker.probed(sound, now, &self.policy);
        match breaker.due_ms() {
            Some(at) => {
                self.timers.insert((at, Timer::Breaker(slot, id)));
            }
            None => {
                device.aside.retain(|aside| *aside != id);
                self.board.room_on(slot, &self.pool);
                self.look_again(now, actions);
            }
        }
    }
}
