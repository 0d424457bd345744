//! The port that steps go through: each call is carried out in the file of its object.

use std::time::Duration;

use futures_util::Stream;

use super::Docker;
use super::listening::listening;
use crate::model::{Hook, ImageId, Project};
use crate::plan::Observed;
use crate::runtime::{
    Condition, ContainerSpec, Engine, EngineError, Happening, HookEnd, Listening, Progress,
};

impl Engine for Docker {
    async fn observe(&self, project: &str) -> Result<Observed, EngineError> {
        self.snapshot(project).await
    }

    async fn pull(
        &self,
        image: &str,
        platform: Option<&str>,
        has_other_way: bool,
        progress: &Progress,
    ) -> Result<ImageId, EngineError> {
        self.pull_image(image, platform, has_other_way, progress)
            .await
    }

    async fn push(
        &self,
        image: &ImageId,
        name: &str,
        progress: &Progress,
    ) -> Result<(), EngineError> {
        self.push_image(image, name, progress).await
    }

    async fn tag(&self, image: &ImageId, name: &str) -> Result<(), EngineError> {
        self.tag_image(image, name).await
    }

    async fn create_network(&self, project: &Project, key: &str) -> Result<(), EngineError> {
        self.make_network(project, key).await
    }

    async fn create_volume(&self, project: &Project, key: &str) -> Result<(), EngineError> {
        self.make_volume(project, key).await
    }

    async fn create_container(&self, spec: &ContainerSpec<'_>) -> Result<String, EngineError> {
        self.create(spec).await
    }

    async fn start(&self, container: &str) -> Result<(), EngineError> {
        self.start_container(container).await
    }

    async fn stop(&self, container: &str, grace: Option<Duration>) -> Result<(), EngineError> {
        self.stop_container(container, grace).await
    }

    async fn kill(&self, container: &str, signal: &str) -> Result<(), EngineError> {
        self.signal_container(container, signal).await
    }

    async fn pause(&self, container: &str) -> Result<(), EngineError> {
        self.pause_container(container).await
    }

    async fn unpause(&self, container: &str) -> Result<(), EngineError> {
        self.unpause_container(container).await
    }

    async fn remove(&self, container: &str, volumes: bool) -> Result<(), EngineError> {
        self.remove_container(container, volumes).await
    }

    async fn rename(&self, container: &str, name: &str) -> Result<(), EngineError> {
        self.rename_container(container, name).await
    }

    async fn remove_network(&self, id: &str) -> Result<(), EngineError> {
        self.delete_network(id).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        self.delete_volume(name).await
    }

    async fn remove_image(&self, name: &str) -> Result<(), EngineError> {
        Self::remove_image(self, name).await
    }

    async fn inspect(&self, container: &str) -> Result<Condition, EngineError> {
        self.condition(container).await
    }

    fn listening(&self, container: &str, condition: &Condition) -> Listening {
        listening(container, condition)
    }

    async fn probe(&self, container: &str, command: &[String]) -> Result<i64, EngineError> {
        self.probe_container(container, command).await
    }

    async fn run_hook(
        &self,
        container: &str,
        hook: &Hook,
        progress: &Progress,
    ) -> Result<HookEnd, EngineError> {
        self.hook(container, hook, progress).await
    }

    async fn last_lines(&self, container: &str, lines: usize) -> Result<Vec<String>, EngineError> {
        self.tail(container, lines).await
    }

    fn watch(&self, project: &str) -> impl Stream<Item = Happening> + Send + 'static {
        self.happenings(project)
    }
}
