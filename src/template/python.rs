//! Python: what pip, uv and poetry install from, and how applications of the usual frameworks start.

use super::error::Error;
use super::facts::{Facts, Start, copies, is_plain, version};
use super::folder::Folder;
use super::kind::Template;
use super::toml;

/// The Python of a project that says none.
const VERSION: &str = "3.13";
const PORT: u16 = 8000;
/// The modules in which an application is looked for, first those of the folder itself.
const MODULES: [&str; 10] = [
    "main.py",
    "app.py",
    "server.py",
    "run.py",
    "api.py",
    "app/main.py",
    "app/__init__.py",
    "src/main.py",
    "src/app.py",
    "__main__.py",
];

pub(super) fn facts(
    here: Folder<'_>,
    template: Template,
    port: Option<u16>,
) -> Result<Facts, Error> {
    let project = here.text("pyproject.toml")?;
    let mut facts = Facts::new();
    let files = match template {
        Template::PythonUv => {
            let files = ["pyproject.toml", "uv.lock", ".python-version"];
            facts.set("locked", if here.has("uv.lock") { "--locked " } else { "" });
            facts.mark("package", toml::has_section(&project, "build-system"));
            here.those(&files)
        }
        Template::PythonPoetry => here.those(&["pyproject.toml", "poetry.lock"]),
        _ => {
            let files = required(here)?;
            facts.mark("requirements", !files.is_empty());
            let packaged = toml::has_section(&project, "build-system") && here.has_folder("src");
            facts.mark("package", packaged && files.is_empty());
            if files.is_empty() {
                here.those(&["pyproject.toml"])
            } else {
                files
            }
        }
    };
    let mut wanted = project;
    if template == Template::PythonPip {
        for file in &files {
            wanted.push_str(&here.text(file)?);
        }
    }
    let (start, listens) = start(here, &wanted, port.unwrap_or(PORT))?;
    let listens = listens.or(port);
    // Servers listen for both.
    let alone = matches!(
        start.command.first().map(String::as_str),
        Some("python" | "flask")
    );
    facts
        .mark("interrupted", alone)
        .set("copies", copies(&files))
        .set("version", version(here, &[".python-version"], VERSION))
        .set(
            "port",
            listens.map(|port| port.to_string()).unwrap_or_default(),
        )
        .start(start);
    Ok(facts)
}

/// `requirements.txt`, and what it names by `-r` and `-c`.
fn required(here: Folder<'_>) -> Result<Vec<String>, Error> {
    let mut files = here.those(&["requirements.txt"]);
    let mut at = 0;
    while let Some(file) = files.get(at).cloned() {
        at += 1;
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for line in here.text(&file)?.lines() {
            let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
            let is_named = matches!(
                words.next(),
                Some("-r" | "-c" | "--requirement" | "--constraint")
            );
            let Some(path) = words.next().filter(|_| is_named) else {
                continue;
            };
            let path = path.trim_start_matches("./");
            let path = match folder {
                "" => path.to_owned(),
                folder => format!("{folder}/{path}"),
            };
            let is_new = !files.contains(&path);
            if is_new && is_plain(&path) && !path.contains("..") && here.has(&path) {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// What is started, and the port that it listens on, where it is a server.
fn start(here: Folder<'_>, wanted: &str, port: u16) -> Result<(Start, Option<u16>), Error> {
    let wants = |name: &str| {
        let words = wanted
            .split(|char: char| !(char.is_ascii_alphanumeric() || char == '-' || char == '_'));
        words
            .into_iter()
            .any(|word| word.eq_ignore_ascii_case(name))
    };
    let address = format!("0.0.0.0:{port}");
    let digits = port.to_string();
    if here.has("manage.py") {
        if let Some(folder) = here
            .names("")
            .into_iter()
            .find(|name| here.has(&format!("{name}/wsgi.py")))
            && wants("gunicorn")
        {
            let application = format!("{folder}.wsgi");
            let start = Start::of(
                &["gunicorn", "--bind", &address, &application],
                format!("`{folder}/wsgi.py` is there and gunicorn is installed"),
            );
            return Ok((start, Some(port)));
        }
        let start = Start::of(
            &["python", "manage.py", "runserver", &address],
            "`manage.py` is there",
        );
        return Ok((start, Some(port)));
    }
    for (class, server) in [
        ("FastAPI(", "uvicorn"),
        ("Starlette(", "uvicorn"),
        ("Flask(", "flask"),
    ] {
        let Some((file, variable)) = application(here, class)? else {
            continue;
        };
        let module = file.trim_end_matches(".py").trim_end_matches("/__init__");
        let module = module.replace('/', ".");
        let target = format!("{module}:{variable}");
        let because = |how: &str| format!("`{file}` has {class}){how}");
        let start = match server {
            "uvicorn" => Start::of(
                &["uvicorn", &target, "--host", "0.0.0.0", "--port", &digits],
                because(""),
            ),
            _ if wants("gunicorn") => Start::of(
                &["gunicorn", "--bind", &address, &target],
                because(" and gunicorn is installed"),
            ),
            _ => Start::of(
                &[
                    "flask", "--app", &target, "run", "--host", "0.0.0.0", "--port", &digits,
                ],
                because(""),
            ),
        };
        return Ok((start, Some(port)));
    }
    if let Some(file) = here
        .first(&MODULES)
        .filter(|file| !file.ends_with("__init__.py"))
    {
        let start = Start::of(&["python", file], format!("`{file}` is there"));
        return Ok((start, None));
    }
    Ok((Start::guess(&["python", "main.py"]), None))
}

/// The module that makes an application of this class, and the variable that holds it.
fn application(here: Folder<'_>, class: &str) -> Result<Option<(&'static str, String)>, Error> {
    for file in MODULES {
        let text = here.text(file)?;
        let made = text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            let name = name.split(':').next()?.trim();
            let fits = |char: char| char.is_ascii_alphanumeric() || char == '_';
            let is_name =
                !name.is_empty() && name.chars().all(fits) && !line.starts_with([' ', '\t']);
            (is_name && value.trim_start().starts_with(class)).then(|| name.to_owned())
        });
        if let Some(variable) = made {
            return Ok(Some((file, variable)));
        }
    }
    Ok(None)
}
