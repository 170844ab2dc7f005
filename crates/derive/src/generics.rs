//! The element type, and the bounds that the fields ask for. Must know of no code but the head of the impl.

use std::collections::HashSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::visit::{self, Visit};
use syn::{Ident, Macro, Path, Type, TypeParam, TypeParamBound, TypePath, WhereClause, WherePredicate, parse_quote};

use crate::ast::Input;

impl Input<'_> {
    /// The element type: the one that is named, else the first type parameter bounded by `Element`, else `f32`.
    pub(crate) fn element(&self) -> Type {
        if let Some(element) = &self.attrs.element {
            return element.clone();
        }
        match self.generics.type_params().find(|param| self.is_bounded_by_element(param)) {
            Some(TypeParam { ident, .. }) => parse_quote!(#ident),
            None => parse_quote!(::core::primitive::f32),
        }
    }

    fn is_bounded_by_element(&self, param: &TypeParam) -> bool {
        let predicates = self.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
        let in_where = predicates.filter_map(|predicate| match predicate {
            WherePredicate::Type(predicate) if is(&predicate.bounded_ty, &param.ident) => Some(&predicate.bounds),
            _ => None,
        });
        in_where.flatten().chain(&param.bounds).any(|bound| match bound {
            TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| last.ident == "Element"),
            _ => false,
        })
    }

    /// The where clause of the impl: as written, and `FieldType: Module` for each field whose type depends on a type
    /// parameter other than the element type.
    ///
    /// A type that mentions the struct itself gives no such bound, which would be a bound on itself; there the
    /// parameters are bounded that stand outside the mention.
    pub(crate) fn where_clause(&self, module: &TokenStream, element: &Type) -> Option<WhereClause> {
        let params: HashSet<&Ident> =
            self.generics.type_params().map(|param| &param.ident).filter(|param| !is(element, param)).collect();
        let mut bounded: Vec<Type> = Vec::new();
        for field in self.visited() {
            let mut mentions = Mentions { this: self.ident, params: &params, found: Vec::new(), recursive: false };
            mentions.visit_type(field.ty);
            let found = mentions.found;
            if mentions.recursive {
                bounded.extend(found.iter().map(|param| -> Type { parse_quote!(#param) }));
            } else if !found.is_empty() {
                bounded.push(field.ty.clone());
            }
        }
        let mut generics = self.generics.clone();
        let mut seen = HashSet::new();
        bounded.retain(|ty| seen.insert(quote!(#ty).to_string()));
        for ty in bounded {
            generics.make_where_clause().predicates.push(parse_quote!(#ty: #module<#element>));
        }
        generics.where_clause
    }
}

/// Whether the type is just this name.
fn is(ty: &Type, name: &Ident) -> bool {
    matches!(ty, Type::Path(TypePath { qself: None, path, .. }) if path.is_ident(name))
}

/// What a type mentions.
struct Mentions<'a> {
    this: &'a Ident,
    params: &'a HashSet<&'a Ident>,
    /// The type parameters, outside of a mention of the struct itself.
    found: Vec<Ident>,
    /// Whether it mentions the struct itself.
    recursive: bool,
}

impl<'ast> Visit<'ast> for Mentions<'_> {
    fn visit_path(&mut self, path: &'ast Path) {
        let first = match (path.leading_colon, path.segments.first()) {
            (None, Some(first)) => &first.ident,
            _ => return visit::visit_path(self, path),
        };
        if path.segments.len() == 1 && (first == self.this || first == "Self") {
            self.recursive = true;
            return;
        }
        if self.params.contains(first) {
            self.found.push(first.clone());
        }
        visit::visit_path(self, path);
    }

    /// What a macro makes of its tokens is not known: each parameter among them counts.
    fn visit_macro(&mut self, node: &'ast Macro) {
        self.visit_tokens(node.tokens.to_token_stream());
    }
}

impl Mentions<'_> {
    fn visit_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.visit_tokens(group.stream()),
                TokenTree::Ident(ident) if self.params.contains(&ident) => self.found.push(ident),
                _ => {}
            }
        }
    }
}
