//! Where naia keeps entities: it brings no world of its own. Ours knows walkers alone.

use std::any::Any;

use naia_shared::{
    ComponentFieldUpdate, ComponentKind, ComponentUpdate, GlobalWorldManagerType, LocalEntityAndGlobalEntityConverter,
    ReplicaDynMutWrapper, ReplicaDynRefWrapper, ReplicaMutTrait, ReplicaMutWrapper, ReplicaRefTrait, ReplicaRefWrapper,
    Replicate, ReplicatedComponent, SerdeErr, WorldMutType, WorldRefType,
};

use crate::protocol::Walker;

/// Entities by number; the outer `None` is a place that is free.
#[derive(Default)]
pub(crate) struct Store(Vec<Option<Option<Walker>>>);

struct Shared<'a, R>(&'a R);
struct Exclusive<'a, R>(&'a mut R);

impl<R: Replicate> ReplicaRefTrait<R> for Shared<'_, R> {
    fn to_ref(&self) -> &R {
        self.0
    }
}

impl<R: Replicate> ReplicaRefTrait<R> for Exclusive<'_, R> {
    fn to_ref(&self) -> &R {
        self.0
    }
}

impl<R: Replicate> ReplicaMutTrait<R> for Exclusive<'_, R> {
    fn to_mut(&mut self) -> &mut R {
        self.0
    }
}

impl Store {
    pub(crate) fn walker(&self, entity: u32) -> Option<&Walker> {
        self.0.get(entity as usize)?.as_ref()?.as_ref()
    }

    pub(crate) fn walker_mut(&mut self, entity: u32) -> Option<&mut Walker> {
        self.0.get_mut(entity as usize)?.as_mut()?.as_mut()
    }

    fn slot(&mut self, entity: u32) -> Option<&mut Option<Walker>> {
        self.0.get_mut(entity as usize)?.as_mut()
    }
}

fn is_walker(kind: &ComponentKind) -> bool {
    *kind == ComponentKind::of::<Walker>()
}

macro_rules! impl_ref {
    ($($store:ty),*) => {$(
        impl WorldRefType<u32> for $store {
            fn has_entity(&self, entity: &u32) -> bool {
                self.0.get(*entity as usize).is_some_and(Option::is_some)
            }

            fn entities(&self) -> Vec<u32> {
                (0..self.0.len() as u32).filter(|entity| self.has_entity(entity)).collect()
            }

            fn has_component<R: ReplicatedComponent>(&self, entity: &u32) -> bool {
                self.has_component_of_kind(entity, &ComponentKind::of::<R>())
            }

            fn has_component_of_kind(&self, entity: &u32, kind: &ComponentKind) -> bool {
                is_walker(kind) && self.walker(*entity).is_some()
            }

            fn component<'a, R: ReplicatedComponent>(&'a self, entity: &u32) -> Option<ReplicaRefWrapper<'a, R>> {
                let walker: &dyn Any = self.walker(*entity)?;
                Some(ReplicaRefWrapper::new(Shared(walker.downcast_ref::<R>()?)))
            }

            fn component_of_kind<'a>(&'a self, entity: &u32, kind: &ComponentKind) -> Option<ReplicaDynRefWrapper<'a>> {
                is_walker(kind).then_some(())?;
                Some(ReplicaDynRefWrapper::new(self.walker(*entity)?.dyn_ref()))
            }
        }
    )*};
}

impl_ref!(&Store, &mut Store);

/// What only entities need that belong to clients.
const OWNERS: &str = "all entities belong to the server";

impl WorldMutType<u32> for &mut Store {
    fn spawn_entity(&mut self) -> u32 {
        let free = self.0.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            self.0.push(None);
            self.0.len() - 1
        });
        self.0[place] = Some(None);
        place as u32
    }

    fn local_duplicate_entity(&mut self, _: &u32) -> u32 {
        unreachable!("{OWNERS}")
    }

    fn local_duplicate_components(&mut self, _: &u32, _: &u32) {
        unreachable!("{OWNERS}")
    }

    fn despawn_entity(&mut self, entity: &u32) {
        if let Some(place) = self.0.get_mut(*entity as usize) {
            *place = None;
        }
    }

    fn component_kinds(&mut self, entity: &u32) -> Vec<ComponentKind> {
        self.walker(*entity).map(|_| ComponentKind::of::<Walker>()).into_iter().collect()
    }

    fn component_mut<'a, R: ReplicatedComponent>(&'a mut self, entity: &u32) -> Option<ReplicaMutWrapper<'a, R>> {
        let walker: &mut dyn Any = self.walker_mut(*entity)?;
        Some(ReplicaMutWrapper::new(Exclusive(walker.downcast_mut::<R>()?)))
    }

    fn component_mut_of_kind<'a>(&'a mut self, entity: &u32, kind: &ComponentKind) -> Option<ReplicaDynMutWrapper<'a>> {
        is_walker(kind).then_some(())?;
        Some(ReplicaDynMutWrapper::new(self.walker_mut(*entity)?.dyn_mut()))
    }

    fn component_apply_update(
        &mut self,
        converter: &dyn LocalEntityAndGlobalEntityConverter,
        entity: &u32,
        _: &ComponentKind,
        update: ComponentUpdate,
    ) -> Result<(), SerdeErr> {
        self.walker_mut(*entity).map_or(Ok(()), |walker| walker.read_apply_update(converter, update))
    }

    fn component_apply_field_update(
        &mut self,
        converter: &dyn LocalEntityAndGlobalEntityConverter,
        entity: &u32,
        _: &ComponentKind,
        update: ComponentFieldUpdate,
    ) -> Result<(), SerdeErr> {
        self.walker_mut(*entity).map_or(Ok(()), |walker| walker.read_apply_field_update(converter, update))
    }

    fn mirror_entities(&mut self, _: &u32, _: &u32) {
        unreachable!("{OWNERS}")
    }

    fn mirror_components(&mut self, _: &u32, _: &u32, _: &ComponentKind) {
        unreachable!("{OWNERS}")
    }

    fn insert_component<R: ReplicatedComponent>(&mut self, entity: &u32, component: R) {
        self.insert_boxed_component(entity, Box::new(component));
    }

    fn insert_boxed_component(&mut self, entity: &u32, component: Box<dyn Replicate>) {
        if let (Some(slot), Ok(walker)) = (self.slot(*entity), component.to_boxed_any().downcast::<Walker>()) {
            *slot = Some(*walker);
        }
    }

    fn remove_component<R: ReplicatedComponent>(&mut self, entity: &u32) -> Option<R> {
        let removed = self.remove_component_of_kind(entity, &ComponentKind::of::<R>())?;
        removed.to_boxed_any().downcast::<R>().ok().map(|component| *component)
    }

    fn remove_component_of_kind(&mut self, entity: &u32, kind: &ComponentKind) -> Option<Box<dyn Replicate>> {
        is_walker(kind).then_some(())?;
        Some(Box::new(self.slot(*entity)?.take()?))
    }

    fn entity_publish(&mut self, _: &dyn GlobalWorldManagerType<u32>, _: &u32) {
        unreachable!("{OWNERS}")
    }

    fn component_publish(&mut self, _: &dyn GlobalWorldManagerType<u32>, _: &u32, _: &ComponentKind) {
        unreachable!("{OWNERS}")
    }

    fn entity_unpublish(&mut self, _: &u32) {
        unreachable!("{OWNERS}")
    }

    fn component_unpublish(&mut self, _: &u32, _: &ComponentKind) {
        unreachable!("{OWNERS}")
    }

    fn entity_enable_delegation(&mut self, _: &dyn GlobalWorldManagerType<u32>, _: &u32) {
        unreachable!("{OWNERS}")
    }

    fn component_enable_delegation(&mut self, _: &dyn GlobalWorldManagerType<u32>, _: &u32, _: &ComponentKind) {
        unreachable!("{OWNERS}")
    }

    fn entity_disable_delegation(&mut self, _: &u32) {
        unreachable!("{OWNERS}")
    }

    fn component_disable_delegation(&mut self, _: &u32, _: &ComponentKind) {
        unreachable!("{OWNERS}")
    }
}
