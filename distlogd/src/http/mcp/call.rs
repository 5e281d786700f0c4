//! Calls of tools: their arguments are the parameters of the API, and the API's functions answer.

use std::sync::Arc;

use distlog_proto::TaskId;
use rmcp::model::{CallToolResult, ContentBlock, ErrorData, JsonObject};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::Api;
use super::super::lists::{list_problems, list_tasks};
use super::super::params::{Described, Params};
use super::super::problem::{Problem, quoted};
use super::super::records::{RecordsAsk, blocking};
use super::super::stats::count;
use super::super::tasks::{CURSOR, DEPTH_PARAM, ID};
use super::super::tree_part::{Cursor, TreePart, left_out};
use super::text::{self, MAX_TEXT};
use super::tools::{GROUPS, PROBLEMS, RECORDS, TASKS, TOOLS};
use crate::escape;
use crate::query::Engine;
use crate::storage::{Storage, StorageError};
use crate::tree::Gone;
use crate::tree::paint::{Colour, Look};

/// Tasks and records of a tree that are drawn at once: more are over [`MAX_TEXT`] anyhow.
const TREE_ITEMS: u64 = 400;
/// An answer ends after the record with which it is so long, in bytes.
const ENOUGH: usize = MAX_TEXT - text::MAX_RECORD;

/// What a tool answers.
struct Answer {
    text: String,
    /// The same for programs, where the text is not all that there is to say.
    structured: Option<Value>,
}

/// Calls a tool. Wrong arguments are told to the agent, who can do better then.
///
/// # Errors
/// If there is no such tool.
pub(super) async fn call(
    api: Api,
    tool: &str,
    arguments: JsonObject,
) -> Result<CallToolResult, ErrorData> {
    let Some(known) = TOOLS.iter().find(|known| known.name == tool) else {
        let why = format!(
            "no tool {}: there are find, tasks, tree, stats and problems",
            quoted(tool)
        );
        return Err(ErrorData::invalid_params(why, None));
    };
    let answer = match params(arguments, known.params) {
        Ok(params) => answer(api, known.name, params).await,
        Err(problem) => Err(problem),
    };
    Ok(match answer {
        Ok(Answer { text, structured }) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
            result.structured_content = structured;
            result
        }
        Err(problem) => {
            let mut text = String::new();
            escape::put_cut(&mut text, MAX_TEXT, problem.detail());
            CallToolResult::error(vec![ContentBlock::text(text)])
        }
    })
}

async fn answer(api: Api, tool: &str, params: Params) -> Result<Answer, Problem> {
    match tool {
        "find" => find(api.views.engine, params).await,
        "tasks" => tasks(api.views.engine, params).await,
        "tree" => tree(api, params).await,
        "stats" => stats(api.views.engine, params).await,
        _ => problems(api.views.engine, params).await,
    }
}

/// Arguments as the parameters of a request.
fn params(
    arguments: Map<String, Value>,
    known: &[&'static dyn Described],
) -> Result<Params, Problem> {
    let mut pairs = Vec::new();
    for (name, value) in arguments {
        let text = match value {
            // An optional argument that is not given.
            Value::Null => continue,
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                let kind = if value.is_array() {
                    "a list"
                } else {
                    "an object"
                };
                let expected = "a text, a number, true or false";
                return Err(Problem::parameter(&name, kind, expected));
            }
        };
        pairs.push((name, text));
    }
    let names: Vec<&str> = known.iter().map(|param| param.name()).collect();
    Params::new(pairs)?.only(&names)
}

async fn find(engine: Engine, params: Params) -> Result<Answer, Problem> {
    let ask = RecordsAsk::new(&params, &RECORDS)?;
    let mut records = ask
        .begin(engine, Arc::default(), Arc::new(text::put_record))
        .await?;
    // An agent that goes away drops this, and so cancels the query.
    let outcome = records.running().outcome().await?;
    let mut page = records.page(outcome);
    let written = blocking(move || {
        let (mut out, mut found) = (Vec::new(), 0_usize);
        while let Some(record) = page.next()? {
            out.extend_from_slice(&record);
            found += 1;
            if out.len() >= ENOUGH {
                page.cut();
            }
        }
        let mut text = String::from_utf8_lossy(&out).into_owned();
        let next = page.cursor().map(|cursor| cursor.to_string());
        text::put_end(
            &mut text,
            "records",
            found,
            next.as_deref(),
            page.complete(),
        );
        Ok(text)
    });
    Ok(Answer {
        text: written.await?.map_err(|error: StorageError| error)?,
        structured: None,
    })
}

/// A page of a list, as the API has it.
fn structured<T: Serialize>(items: &[T], next: Option<&str>, complete: bool) -> Option<Value> {
    Some(json!({"items": items, "next": next, "complete": complete}))
}

async fn tasks(engine: Engine, params: Params) -> Result<Answer, Problem> {
    let mut page = list_tasks(engine, &params, &TASKS, &Arc::default()).await?;
    let mut text = String::new();
    for task in &mut page.items {
        text::shorten(&mut task.name);
        text::shorten(&mut task.service);
        text::put_task(&mut text, task);
    }
    let next = page.next.map(|next| next.to_string());
    let next = next.as_deref();
    text::put_end(&mut text, "tasks", page.items.len(), next, page.complete);
    let structured = structured(&page.items, next, page.complete);
    Ok(Answer { text, structured })
}

async fn problems(engine: Engine, params: Params) -> Result<Answer, Problem> {
    let mut page = list_problems(engine, &params, &PROBLEMS, &Arc::default()).await?;
    let mut text = String::new();
    for problem in &mut page.items {
        for part in [
            &mut problem.service,
            &mut problem.template,
            &mut problem.target,
            &mut problem.place,
            &mut problem.kind,
        ] {
            text::shorten(part);
        }
        problem.ids.truncate(2);
        text::put_problem(&mut text, problem);
    }
    let next = page.next.map(|next| next.to_string());
    let next = next.as_deref();
    let found = page.items.len();
    text::put_end(&mut text, "problems", found, next, page.complete);
    if page.truncated {
        text.push_str(
            "There are too many to tell all apart: ask for a shorter time or a service.\n",
        );
    }
    let structured = structured(&page.items, next, page.complete);
    Ok(Answer { text, structured })
}

async fn stats(engine: Engine, params: Params) -> Result<Answer, Problem> {
    let counted = count(engine, &params, &GROUPS, Arc::default()).await?;
    Ok(Answer {
        text: text::groups(&counted),
        structured: None,
    })
}

async fn tree(api: Api, params: Params) -> Result<Answer, Problem> {
    let (id, cursor) = (params.get(&ID)?, params.get(&CURSOR)?);
    let depth = params.get(&DEPTH_PARAM)?;
    let only = api.views.only.clone();
    let permit = api.trees.acquire_owned().await.map_err(Problem::failed)?;
    let drawn = blocking(move || {
        // Held until the work is done, also if nobody waits for it any more.
        let _permit = permit;
        draw(&*api.views.storage, &id, cursor, depth)
    });
    let mut text = drawn.await??;
    if let Some(only) = &only {
        text.push_str(&format!("… {}\n", left_out(only)));
    }
    Ok(Answer {
        text,
        structured: None,
    })
}

/// Draws as many tasks and records of a tree as an answer has room for.
fn draw(
    storage: &dyn Storage,
    id: &TaskId,
    cursor: Option<Cursor>,
    depth: usize,
) -> Result<String, Problem> {
    let mut part = TreePart::find(storage, id, cursor)?;
    let look = Look::new(Colour::Off, false);
    let mut limit = TREE_ITEMS;
    loop {
        let mut out = Vec::new();
        let drawn = part.draw(depth, limit, look, &mut |piece| {
            out.extend_from_slice(&piece);
            out.len() <= MAX_TEXT || limit == 1
        });
        let rest = match drawn {
            Ok(rest) => rest,
            Err(Gone) => {
                limit = (limit / 2).max(1);
                continue;
            }
        };
        let drawn = String::from_utf8_lossy(&out);
        let mut text = String::new();
        escape::put_cut(&mut text, MAX_TEXT, drawn.trim_end());
        text.push('\n');
        if let Some(rest) = rest {
            let next = rest.next.to_string();
            text.push_str(&format!(
                "… {rest}: call `tree` with the same id and cursor {next:?}\n"
            ));
        }
        return Ok(text);
    }
}
