//! Writes the impl. Everything it is given has been found right.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident, Result, Type};

use crate::ast::{Field, Input, Variant};

pub(crate) fn derive(node: &DeriveInput) -> Result<TokenStream> {
    let input = Input::read(node)?;
    input.validate()?;
    Ok(input.expand())
}

impl Input<'_> {
    fn expand(&self) -> TokenStream {
        let import = self.import();
        let ident = self.ident;
        let element = self.element();
        let module = quote!(__wengert::Module);
        let where_clause = self.where_clause(&module, &element);
        let (impl_generics, ty_generics, _) = self.generics.split_for_impl();
        let visit = self.body(&element, "visit");
        let visit_mut = self.body(&element, "visit_mut");
        quote! {
            const _: () = {
                #import

                #[automatically_derived]
                #[allow(deprecated, unused_variables)]
                impl #impl_generics #module<#element> for #ident #ty_generics #where_clause {
                    fn visit<'__m>(
                        &'__m self,
                        path: &mut __wengert::Path,
                        visitor: &mut __wengert::Visitor<'_, '__m, #element>,
                    ) {
                        #visit
                    }

                    fn visit_mut<'__m>(
                        &'__m mut self,
                        path: &mut __wengert::Path,
                        visitor: &mut __wengert::VisitorMut<'_, '__m, #element>,
                    ) {
                        #visit_mut
                    }
                }
            };
        }
    }

    /// One import for the whole impl: a wrong path is one error, and points at the path where there is one.
    fn import(&self) -> TokenStream {
        match &self.attrs.krate {
            Some(path) => {
                let at = Span::mixed_site().located_at(path.span());
                quote_spanned!(at=> use #path as __wengert;)
            }
            None => quote!(
                use ::wengert::nn as __wengert;
            ),
        }
    }

    fn body(&self, element: &Type, method: &str) -> TokenStream {
        if self.variants.is_empty() {
            return quote!(match *self {});
        }
        let arms = self.variants.iter().map(|variant| variant.arm(element, method));
        quote!(match self { #(#arms)* })
    }
}

impl Variant<'_> {
    /// `Self::Name { weight: __0, .. } => ...`, which fits tuple and unit variants as well.
    fn arm(&self, element: &Type, method: &str) -> TokenStream {
        let name = self.ident.map(|ident| quote!(::#ident));
        let bindings = (0..).map(|i| format_ident!("__{i}", span = Span::mixed_site()));
        let (fields, bindings): (Vec<&Field<'_>>, Vec<Ident>) = self.visited().zip(bindings).unzip();
        let members = fields.iter().map(|field| &field.member);
        let visits = fields.iter().zip(&bindings).map(|(field, binding)| field.visit(binding, element, method));
        quote!(Self #name { #(#members: #bindings,)* .. } => { #(#visits)* })
    }
}

impl Field<'_> {
    fn visit(&self, binding: &Ident, element: &Type, method: &str) -> TokenStream {
        let ty = self.ty;
        let at = Span::mixed_site().located_at(ty.span());
        let method = Ident::new(method, at);
        // The names as the surrounding code writes them; only the call lies at the field, for the error of a field
        // that is no module.
        let (path, visitor) = (quote!(path), quote!(visitor));
        let visit = quote_spanned!(at=> <#ty as __wengert::Module<#element>>::#method(#binding, #path, #visitor));
        match self.segment() {
            Some(segment) => quote!(__wengert::Path::enter_field(#path, #segment, |#path| #visit);),
            None => quote!(#visit;),
        }
    }
}
