//! `#[field(…)]`: parsed once, with an error at the word that is wrong.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Expr, ExprRange, Field, LitInt, RangeLimits, Result};

/// What the attributes of one field say.
#[derive(Default)]
pub(crate) struct FieldAttribute {
    range: Option<(Expr, Expr)>,
    step: Option<Expr>,
    bits: Option<LitInt>,
    owner_bits: Option<LitInt>,
    tuners: Vec<Tokens>,
}

impl FieldAttribute {
    pub(crate) fn of(field: &Field) -> Result<Self> {
        let mut parsed = Self::default();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("field")) {
            attribute.parse_nested_meta(|meta| parsed.word(&meta))?;
        }
        Ok(parsed)
    }

    fn word(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(word) = meta.path.get_ident().map(ToString::to_string) else {
            return Err(meta.error(WORDS));
        };
        match word.as_str() {
            "range" => self.range = Some(inclusive_range(meta)?),
            "step" => self.step = Some(meta.value()?.parse()?),
            "bits" => self.bits = Some(meta.value()?.parse()?),
            "owner_bits" => self.owner_bits = Some(meta.value()?.parse()?),
            "position" => self.tuners.push(quote!(.role(::downbeat_replica::Role::Position))),
            "velocity" => self.tuners.push(quote!(.role(::downbeat_replica::Role::Velocity))),
            "heading" => self.tuners.push(quote!(.role(::downbeat_replica::Role::Heading))),
            "player" => self.tuners.push(quote!(.role(::downbeat_replica::Role::Player))),
            "owner" => self.tuners.push(quote!(.owner())),
            "discrete" => self.tuners.push(quote!(.discrete())),
            "action" => self.tuners.push(quote!(.action())),
            _ => return Err(meta.error(WORDS)),
        }
        Ok(())
    }

    /// The `Spec` as a constant expression.
    pub(crate) fn spec(&self) -> Tokens {
        let range = self.range.as_ref().map(|(min, max)| quote!(min: (#min) as f64, max: (#max) as f64,));
        let step = self.step.as_ref().map(|step| quote!(step: (#step) as f64,));
        let bits = self.bits.as_ref().map(|bits| quote!(bits: #bits,));
        let owner_bits = self.owner_bits.as_ref().map(|bits| quote!(owner_bits: #bits,));
        // A block of constants, so that a mistake in it is found at compile time and costs nothing later.
        quote!({
            #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "the literal may be of any number type")]
            const SPEC: ::downbeat_replica::Spec = ::downbeat_replica::Spec {
                #range #step #bits #owner_bits ..::downbeat_replica::Spec::PLAIN
            };
            SPEC
        })
    }

    pub(crate) fn into_tuners(self) -> Vec<Tokens> {
        self.tuners
    }
}

fn inclusive_range(meta: &ParseNestedMeta<'_>) -> Result<(Expr, Expr)> {
    let range: ExprRange = meta.value()?.parse()?;
    match range {
        ExprRange { start: Some(start), end: Some(end), limits: RangeLimits::Closed(_), .. } => Ok((*start, *end)),
        _ => Err(meta.error("a range has both ends: `range = MIN..=MAX`")),
    }
}

const WORDS: &str = "expected position, velocity, heading, player, owner, discrete, action, range = MIN..=MAX, step = S, \
                     bits = N or owner_bits = N";
