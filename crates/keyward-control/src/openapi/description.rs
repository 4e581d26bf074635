//! What one route takes and gives. A line of the table of routes cannot be written without it.

use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr, Schema,
        path::{Parameter, ParameterIn},
        schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, SchemaType, Type},
    },
};

use crate::page::PageQuery;

/// What one route takes and gives.
pub(crate) struct Description {
    summary: &'static str,
    details: Option<&'static str>,
    place: &'static str,
    result: RefOr<Schema>,
    form: Form,
    info: Option<RefOr<Schema>>,
    is_page: bool,
    is_by_cursor: bool,
    reads_store: bool,
    body: Option<BodyDescription>,
    query: Vec<Parameter>,
    may_conflict: bool,
    has_precondition: bool,
    asks_provider: bool,
    stores_what_is_proven: bool,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// What a success looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The envelope with a result.
    Result,
    /// The envelope without one.
    NoResult,
    /// Bytes without the envelope.
    Raw,
}

/// What a request's body is.
pub(crate) struct BodyDescription {
    pub(super) schema: RefOr<Schema>,
    pub(super) is_required: bool,
}

impl Description {
    /// The result is one `T`.
    pub(crate) fn one<T: ToSchema>(summary: &'static str) -> Self {
        let mut schemas = Vec::new();
        let result = reference::<T>(&mut schemas);
        Self {
            schemas,
            ..Self::of(summary, result)
        }
    }

    /// The result is all of a short list of `T`.
    pub(crate) fn list<T: ToSchema>(summary: &'static str) -> Self {
        let mut schemas = Vec::new();
        let item = reference::<T>(&mut schemas);
        Self {
            schemas,
            ..Self::of(summary, ArrayBuilder::new().items(item).into())
        }
    }

    /// The result is one page of a list of `T` that is read from the store; an `I` tells of its place. The query says which.
    pub(crate) fn page_of<T: ToSchema, I: ToSchema>(summary: &'static str) -> Self {
        let mut page = Self::list::<T>(summary).answers_from_store();
        page.info = Some(reference::<I>(&mut page.schemas));
        page
    }

    /// It is done, and there is no result.
    pub(crate) fn without_result(summary: &'static str) -> Self {
        Self {
            form: Form::NoResult,
            ..Self::of(summary, null().into())
        }
    }

    /// The answer is bytes from the store, without the envelope.
    pub(crate) fn raw(summary: &'static str) -> Self {
        let raw = Self {
            form: Form::Raw,
            ..Self::of(summary, utoipa::openapi::Object::new().into())
        };
        raw.answers_from_store()
    }

    /// The result is one page of a list of `T`; `page` and `per_page` say which.
    pub(crate) fn page<T: ToSchema>(summary: &'static str) -> Self {
        let page = Self {
            is_page: true,
            ..Self::list::<T>(summary)
        };
        page.query::<PageQuery>()
    }

    /// The result is one page of a list, a `T` that the reference has as `data`.
    pub(crate) fn data<T: ToSchema>(summary: &'static str) -> Self {
        let page = Self {
            place: "data",
            is_page: true,
            ..Self::one::<T>(summary)
        };
        page.query::<PageQuery>().answers_from_store()
    }

    /// The result is one `T` that the reference has as `route`.
    pub(crate) fn route<T: ToSchema>(summary: &'static str) -> Self {
        Self {
            place: "route",
            ..Self::one::<T>(summary)
        }
    }

    /// The result is a part of a list of `T` that is read from the store by cursor.
    pub(crate) fn by_cursor<T: ToSchema>(summary: &'static str) -> Self {
        let part = Self {
            is_by_cursor: true,
            ..Self::list::<T>(summary)
        };
        part.answers_from_store()
    }

    /// The result is a text.
    pub(crate) fn text(summary: &'static str) -> Self {
        let text = ObjectBuilder::new().schema_type(Type::String);
        Self::of(summary, Schema::from(text).into())
    }

    fn of(summary: &'static str, result: RefOr<Schema>) -> Self {
        Self {
            summary,
            details: None,
            place: "result",
            result,
            form: Form::Result,
            info: None,
            is_page: false,
            is_by_cursor: false,
            reads_store: false,
            body: None,
            query: Vec::new(),
            may_conflict: false,
            has_precondition: false,
            asks_provider: false,
            stores_what_is_proven: false,
            schemas: Vec::new(),
        }
    }

    /// What the summary leaves out.
    pub(crate) fn details(self, details: &'static str) -> Self {
        Self {
            details: Some(details),
            ..self
        }
    }

    /// The request carries a `T`.
    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some(BodyDescription {
            schema: reference::<T>(&mut self.schemas),
            is_required: true,
        });
        self
    }

    /// The request may carry a `T`.
    pub(crate) fn may_take<T: ToSchema>(mut self) -> Self {
        self.body = Some(BodyDescription {
            schema: reference::<T>(&mut self.schemas),
            is_required: false,
        });
        self
    }

    /// The request carries a list of `T`.
    pub(crate) fn takes_list<T: ToSchema>(mut self) -> Self {
        let item = reference::<T>(&mut self.schemas);
        self.body = Some(BodyDescription {
            schema: ArrayBuilder::new().items(item).min_items(Some(1)).into(),
            is_required: true,
        });
        self
    }

    /// The query may hold `T`.
    pub(crate) fn query<T: IntoParams>(mut self) -> Self {
        self.query
            .extend(T::into_params(|| Some(ParameterIn::Query)));
        self
    }

    /// The answer is read from the store, which may not answer. Other reads are of memory; of a change it goes
    /// without saying.
    pub(crate) fn answers_from_store(self) -> Self {
        Self {
            reads_store: true,
            ..self
        }
    }

    /// The request may be refused with 409: what it refers to is not as it assumes.
    pub(crate) fn may_conflict(self) -> Self {
        Self {
            may_conflict: true,
            ..self
        }
    }

    /// The request may name what it expects to find, and be refused with 412 where it is not so any more.
    pub(crate) fn may_be_late(self) -> Self {
        Self {
            has_precondition: true,
            ..self
        }
    }

    /// A provider is asked, which each token may have done so often only (429).
    pub(crate) fn asks(self) -> Self {
        Self {
            asks_provider: true,
            ..self
        }
    }

    /// The same before something is stored, which is not done where the answer is not certain (424).
    pub(crate) fn may_be_unproven(self) -> Self {
        Self {
            stores_what_is_proven: true,
            ..self.asks()
        }
    }

    pub(crate) fn asks_provider(&self) -> bool {
        self.asks_provider
    }

    pub(crate) fn stores_what_is_proven(&self) -> bool {
        self.stores_what_is_proven
    }

    pub(crate) fn summary(&self) -> &'static str {
        self.summary
    }

    pub(crate) fn further(&self) -> Option<&'static str> {
        self.details
    }

    /// What the envelope calls the result.
    pub(crate) fn place(&self) -> &'static str {
        self.place
    }

    pub(crate) fn result(&self) -> &RefOr<Schema> {
        &self.result
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// What `result_info` is, where it is of its own kind.
    pub(crate) fn info(&self) -> Option<&RefOr<Schema>> {
        self.info.as_ref()
    }

    pub(crate) fn is_page(&self) -> bool {
        self.is_page
    }

    pub(crate) fn is_by_cursor(&self) -> bool {
        self.is_by_cursor
    }

    pub(crate) fn reads_store(&self) -> bool {
        self.reads_store
    }

    pub(crate) fn request_body(&self) -> Option<&BodyDescription> {
        self.body.as_ref()
    }

    pub(crate) fn query_parameters(&self) -> &[Parameter] {
        &self.query
    }

    pub(crate) fn conflicts(&self) -> bool {
        self.may_conflict
    }

    pub(crate) fn has_precondition(&self) -> bool {
        self.has_precondition
    }

    pub(crate) fn schemas(&self) -> &[(String, RefOr<Schema>)] {
        &self.schemas
    }
}

/// Puts `T`, and what it is made of, among the components, and refers to it.
pub(crate) fn reference<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
    Ref::from_schema_name(T::name()).into()
}

/// A field that is always null: Keyward has no such setting yet, and clients look for it.
pub(crate) fn null() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Null))
        .into()
}

/// One of these texts.
pub(crate) fn choice<'a>(choices: impl IntoIterator<Item = &'a str>) -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(choices))
        .into()
}

/// One of these texts, or null.
pub(crate) fn choice_or_null<'a>(choices: impl IntoIterator<Item = &'a str>) -> Schema {
    let choices = choices.into_iter().map(serde_json::Value::from);
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(choices.chain([serde_json::Value::Null])))
        .into()
}

/// `true` or `false`, as requests may write it: also 1 and 0 (see `Field::boolean`).
pub(crate) struct Flag;

impl PartialSchema for Flag {
    fn schema() -> RefOr<Schema> {
        let values: [serde_json::Value; 4] = [true.into(), false.into(), 1.into(), 0.into()];
        let flag = ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .description(Some("`true` or `false`; also 1 and 0."))
            .enum_values(Some(values));
        Schema::from(flag).into()
    }
}

impl ToSchema for Flag {}

/// The value of a setting that is not enforced yet: only switched off (see `Field::is_off`).
pub(crate) struct Off;

impl PartialSchema for Off {
    fn schema() -> RefOr<Schema> {
        let nothing: [serde_json::Value; 5] = [
            serde_json::Value::Null,
            false.into(),
            0.into(),
            "".into(),
            serde_json::Value::Array(Vec::new()),
        ];
        let nothing = ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .enum_values(Some(nothing));
        let all_off =
            ObjectBuilder::new().additional_properties(Some(Ref::from_schema_name(Self::name())));
        let disabled = ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .enum_values(Some([false]));
        let disabled = ObjectBuilder::new()
            .property("enabled", disabled)
            .required("enabled");
        let off = AnyOfBuilder::new()
            .item(nothing)
            .item(all_off)
            .item(disabled)
            .description(Some(
                "Switched off: nothing, or an object that says `enabled: false` or holds nothing that is on.",
            ));
        Schema::from(off).into()
    }
}

impl ToSchema for Off {}
