//! Field tables from structs: `#[derive(Replicated)]` and `#[derive(Input)]` for `downbeat-replica`.
#![forbid(unsafe_code)]

mod attribute;

use attribute::FieldAttribute;
use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Result, parse_macro_input};

/// Derives, depending on what it stands on:
/// - a struct with named fields: `Replicated`, its field table;
/// - an enum of variants with one unnamed field each: `Kinds`, one table for each variant;
/// - an enum of unit variants: `Value`, so that it can be a field.
///
/// Fields take `#[field(…)]` with any of
/// `position`, `velocity`, `heading`, `player` (what it means), `owner` (only the owner is told), `discrete` (never
/// interpolated), `action` (inputs: a one-shot), `range = MIN..=MAX`, `step = S`, `bits = N` (angles of `f32`, unit
/// vectors of `Vec3`, rotations of `Quat`), `owner_bits = N` (finer for the owner).
#[proc_macro_derive(Replicated, attributes(field))]
pub fn replicated(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// Derives `Replicated` and `Input` for the input of a tick. Fields as in `Replicated`.
#[proc_macro_derive(Input, attributes(field))]
pub fn input(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let name = &input.ident;
    let table = expand(&input).unwrap_or_else(Error::into_compile_error);
    quote! {
        #table
        impl ::downbeat_replica::Input for #name {}
    }
    .into()
}

fn expand(input: &DeriveInput) -> Result<Tokens> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(_) | Fields::Unit => expand_struct(input, &data.fields),
            Fields::Unnamed(_) => Err(Error::new_spanned(&input.ident, "the fields of a replicated struct need names")),
        },
        // What is expanded of nothing would not even parse.
        Data::Enum(data) if data.variants.is_empty() => Err(Error::new_spanned(&input.ident, NO_VARIANTS)),
        Data::Enum(data) if data.variants.iter().all(|variant| matches!(variant.fields, Fields::Unit)) => {
            Ok(expand_value(input, data))
        }
        Data::Enum(data) => expand_kinds(input, data),
        Data::Union(_) => Err(Error::new_spanned(&input.ident, "a union cannot be replicated")),
    }
}

const NO_VARIANTS: &str = "an enum without variants cannot be replicated; a game without events needs none of its own: \
                           `type Event = downbeat_replica::NoEvents;`";

fn expand_struct(input: &DeriveInput, fields: &Fields) -> Result<Tokens> {
    let name = &input.ident;
    let mut specs = Vec::new();
    let mut tuners = Vec::new();
    for field in fields {
        let attribute = FieldAttribute::of(field)?;
        specs.push(attribute.spec());
        tuners.push(attribute.into_tuners());
    }
    let names: Vec<_> = fields.iter().filter_map(|field| field.ident.as_ref()).collect();
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    Ok(quote! {
        impl ::downbeat_replica::Replicated for #name {
            fn describe(kind: &mut ::downbeat_replica::Kind) {
                #(const {
                    let spec = #specs;
                    assert!(
                        !<#types as ::downbeat_replica::Value>::REAL || spec.bits > 0 || spec.step > 0.0,
                        concat!(
                            "`", stringify!(#name), ".", stringify!(#names),
                            "` needs `#[field(range = MIN..=MAX, step = S)]`, or `bits = N` for angles, unit vectors and rotations"
                        )
                    );
                })*
                #(kind.field::<#types>(stringify!(#names), &#specs) #(#tuners)* .done();)*
            }

            #[inline]
            fn write(&self, lanes: &mut ::downbeat_replica::LaneWriter<'_>) {
                #(::downbeat_replica::Value::put(&self.#names, &#specs, lanes);)*
            }

            #[inline]
            fn read(lanes: &mut ::downbeat_replica::LaneReader<'_>) -> Self {
                #(let #names = <#types as ::downbeat_replica::Value>::take(&#specs, lanes);)*
                Self { #(#names),* }
            }
        }
    })
}

fn expand_value(input: &DeriveInput, data: &DataEnum) -> Tokens {
    let name = &input.ident;
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let count = variants.len();
    let indices: Vec<_> = (0..count as i32).collect();
    let last = variants.last();
    quote! {
        impl ::downbeat_replica::Value for #name {
            fn describe(_: &::downbeat_replica::Spec, kind: &mut ::downbeat_replica::Kind) -> ::downbeat_replica::Repr {
                kind.lanes.push(::downbeat_replica::Lane::plain(#count as i32 - 1));
                ::downbeat_replica::Repr::Enum
            }

            fn put(&self, _: &::downbeat_replica::Spec, lanes: &mut ::downbeat_replica::LaneWriter<'_>) {
                let index = match self { #(Self::#variants => #indices),* };
                lanes.int(::std::convert::From::<i32>::from(index), #count as i32 - 1);
            }

            fn take(_: &::downbeat_replica::Spec, lanes: &mut ::downbeat_replica::LaneReader<'_>) -> Self {
                match lanes.int() {
                    #(#indices => Self::#variants,)*
                    _ => Self::#last,
                }
            }
        }
    }
}

fn expand_kinds(input: &DeriveInput, data: &DataEnum) -> Result<Tokens> {
    let name = &input.ident;
    let mut variants = Vec::new();
    let mut types = Vec::new();
    for variant in &data.variants {
        let Fields::Unnamed(fields) = &variant.fields else {
            return Err(Error::new_spanned(variant, "a kind is a variant with one unnamed field: `Player(Player)`"));
        };
        let (Some(field), 1) = (fields.unnamed.first(), fields.unnamed.len()) else {
            return Err(Error::new_spanned(variant, "a kind is a variant with exactly one field"));
        };
        variants.push(&variant.ident);
        types.push(&field.ty);
    }
    let indices: Vec<_> = (0..variants.len()).collect();
    Ok(quote! {
        impl ::downbeat_replica::Kinds for #name {
            fn kinds() -> ::std::vec::Vec<::downbeat_replica::Kind> {
                ::std::vec![#(::downbeat_replica::Kind::of::<#types>(stringify!(#variants))),*]
            }

            fn kind(&self) -> usize {
                match self { #(Self::#variants(_) => #indices),* }
            }

            #[inline]
            fn write(&self, lanes: &mut ::downbeat_replica::LaneWriter<'_>) {
                match self { #(Self::#variants(value) => ::downbeat_replica::Replicated::write(value, lanes)),* }
            }

            #[inline]
            fn read(kind: usize, lanes: &mut ::downbeat_replica::LaneReader<'_>) -> ::std::option::Option<Self> {
                match kind {
                    #(#indices => ::std::option::Option::Some(
                        Self::#variants(<#types as ::downbeat_replica::Replicated>::read(lanes))
                    ),)*
                    _ => ::std::option::Option::None,
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enum_without_variants_is_refused_with_what_to_write_instead() {
        let never: DeriveInput = syn::parse_str("enum Never {}").expect("it is an enum");
        let error = expand(&never).expect_err("there is nothing in it").to_string();
        assert!(error.contains("`type Event = downbeat_replica::NoEvents;`"), "{error}");
        let one: DeriveInput = syn::parse_str("enum One { Only }").expect("it is an enum");
        assert!(expand(&one).is_ok());
    }
}
